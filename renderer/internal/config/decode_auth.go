package config

import (
	"slices"
	"strings"
	"time"
)

func (d *decoder) autoAuth(s *scope) *AutoAuth {
	if s == nil {
		return nil
	}
	a := &AutoAuth{Range: s.def, ReauthOnNewCredential: get(s, "enable_reauth_on_new_credentials", false)}
	methods := s.blocks["method"]
	switch len(methods) {
	case 0:
		d.errorf(s.def, "Missing method", "\"auto_auth\" needs one \"method\" block.")
	case 1:
		a.Method = d.method(methods[0])
	default:
		for _, m := range methods[1:] {
			d.errorf(m.def, "Repeated block", "\"auto_auth\" takes one \"method\" block; the first is on line %d.", methods[0].def.Start.Line)
		}
		a.Method = d.method(methods[0])
	}
	sinks := sinkScopes(s)
	for _, x := range sinks {
		a.Sinks = append(a.Sinks, d.sink(x))
	}
	if len(methods) == 1 && a.Method.WrapTTL > 0 {
		d.wrapping(methods[0], sinks, a.Sinks)
	}
	return a
}

// wrapping checks that a wrapped login has the one reader that it is for.
func (d *decoder) wrapping(method *scope, scopes []*scope, sinks []Sink) {
	if len(sinks) != 1 {
		d.errorf(method.at("wrap_ttl"), "Wrapped login without one sink", "\"wrap_ttl\" of the method needs exactly one sink, which receives the wrapping token; there are %d.", len(sinks))
	}
	for i := range sinks {
		if sinks[i].WrapTTL > 0 {
			d.errorf(scopes[i].at("wrap_ttl"), "Wrapped twice", "The method's \"wrap_ttl\" on line %d wraps the token already; remove one of the two.", method.at("wrap_ttl").Start.Line)
		}
	}
}

// kind is the type of a method or sink: the attribute as it is written, or else
// the label in lower case. Vault Agent looks at a label only if it is alone.
func kind(s *scope) string {
	if t := get(s, "type", ""); t != "" {
		return t
	}
	if len(s.labels) == 1 {
		return strings.ToLower(s.labels[0])
	}
	return ""
}

func (d *decoder) method(s *scope) Method {
	m := Method{
		Type:       kind(s),
		MountPath:  get(s, "mount_path", ""),
		Namespace:  get(s, "namespace", ""),
		WrapTTL:    get(s, "wrap_ttl", time.Duration(0)),
		MinBackoff: get(s, "min_backoff", time.Duration(0)),
		MaxBackoff: get(s, "max_backoff", time.Duration(0)),
		ExitOnErr:  get(s, "exit_on_err", false),
		Range:      s.def,
	}
	if m.MountPath == "" {
		m.MountPath = "auth/" + m.Type
	}
	m.MountPath = strings.TrimSuffix(m.MountPath, "/")
	if m.MinBackoff == 0 {
		m.MinBackoff = time.Second
	}
	if m.MaxBackoff == 0 {
		m.MaxBackoff = 5 * time.Minute
	}
	if m.MinBackoff > m.MaxBackoff {
		at := s.at("min_backoff")
		if s.attrs["min_backoff"] == nil {
			at = s.at("max_backoff")
		}
		d.errorf(at, "Invalid backoff", "\"min_backoff\" (%s) must not exceed \"max_backoff\" (%s).", m.MinBackoff, m.MaxBackoff)
	}
	if d.methodType(s, m.Type) {
		d.methodConfig(s, &m)
	}
	if m.WrapTTL > 0 && m.AppRole != nil && m.AppRole.SecretIDRenew {
		d.errorf(s.at("wrap_ttl"), "Not together", "With \"wrap_ttl\" the token is for the sink's reader alone: there is none to make the next SecretID with. Move \"wrap_ttl\" into the sink block, or remove \"secret_id_renew\".")
	}
	return m
}

// methodNames are the types of methodConfigs, which is large and built once.
func methodNames() []string {
	return []string{
		"approle", "token_file", "kubernetes", "jwt", "cert", "ldap", "userpass", "kerberos",
		"aws", "azure", "gcp", "alicloud", "cf", "oci",
	}
}

// methodType reports whether there is such a method.
func (d *decoder) methodType(s *scope, name string) bool {
	at := s.def
	if get(s, "type", "") != "" {
		at = s.at("type")
	}
	names := methodNames()
	switch {
	case slices.Contains(names, name):
		return true
	case name == "" && s.attrs["type"] != nil:
		// The type was not a string, and that was said.
	case name == "" && len(s.labels) > 1:
		d.errorf(at, "Missing type", "A method with several labels has no type: write one label, method \"approle\" { ... }.")
	case name == "":
		d.errorf(at, "Missing type", "The method needs a type: method \"approle\" { ... }.")
	default:
		hint := didYouMean(name, names)
		if hint == "" {
			hint = " Those there are: " + strings.Join(names, ", ") + "."
		}
		d.errorf(at, "Unknown method", "There is no such method to log in.%s", hint)
	}
	return false
}

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
	a := &AutoAuth{Range: s.def}
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
	}
	list := s.blocks["sink"]
	for _, wrapper := range s.blocks["sinks"] {
		list = append(list, wrapper.blocks["sink"]...)
	}
	for _, x := range list {
		a.Sinks = append(a.Sinks, d.sink(x))
	}
	return a
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
		m.AppRole = d.appRole(s)
	}
	return m
}

// methodType reports whether the method is one that this version has.
func (d *decoder) methodType(s *scope, name string) bool {
	at := s.def
	if get(s, "type", "") != "" {
		at = s.at("type")
	}
	switch {
	case name == "approle":
		return true
	case slices.Contains(otherMethods(), name):
		d.errorf(at, "Not supported in this version", "Vault Agent can log in by %q; this version only by \"approle\".", name)
	case name == "" && s.attrs["type"] != nil:
		// The type was not a string, and that was said.
	case name == "":
		d.errorf(at, "Missing type", "The method needs a type: method \"approle\" { ... }.")
	default:
		hint := didYouMean(name, append([]string{"approle"}, otherMethods()...))
		if hint == "" {
			hint = " This version has \"approle\"."
		}
		d.errorf(at, "Unknown method", "There is no such method to log in.%s", hint)
	}
	return false
}

func (d *decoder) appRole(s *scope) *AppRole {
	c := s.last("config")
	d.unknownIn(c)
	r := &AppRole{
		RoleIDFilePath:               get(c, "role_id_file_path", ""),
		SecretIDFilePath:             get(c, "secret_id_file_path", ""),
		RemoveSecretIDFileAfterRead:  get(c, "remove_secret_id_file_after_reading", true),
		SecretIDResponseWrappingPath: get(c, "secret_id_response_wrapping_path", ""),
	}
	if r.RoleIDFilePath == "" && (c == nil || c.attrs["role_id_file_path"] == nil || c.vals["role_id_file_path"] != nil) {
		at := s.def
		if c != nil {
			at = c.at("role_id_file_path")
		}
		d.errorf(at, "Missing role_id_file_path", "Method \"approle\" needs config { role_id_file_path = \"...\" }: the file that holds the RoleID.")
	}
	if c != nil && c.vals["secret_id_response_wrapping_path"] == "" {
		d.errorf(c.at("secret_id_response_wrapping_path"), "Invalid value", "\"secret_id_response_wrapping_path\" must not be empty; leave it out if the SecretID is not wrapped.")
	}
	return r
}

func (d *decoder) sink(s *scope) Sink {
	c := s.last("config")
	def := uint32(0o640)
	if d.strict {
		def = 0o600
	}
	out := Sink{
		Path:  get(c, "path", ""),
		Mode:  int(get(c, "mode", def)),
		Owner: get(c, "owner", -1),
		Group: get(c, "group", -1),
		Range: s.def,
	}
	if !d.sinkType(s) {
		return out
	}
	d.unknownIn(c)
	if out.Path == "" && (c == nil || c.attrs["path"] == nil || c.vals["path"] != nil) {
		at := s.def
		if c != nil {
			at = c.at("path")
		}
		d.errorf(at, "Missing path", "A file sink needs config { path = \"...\" }: the file that receives the token.")
	}
	for _, id := range []string{"owner", "group"} {
		if get(c, id, 0) < -1 {
			d.errorf(c.at(id), "Invalid value", "%q must be a numeric id.", id)
		}
	}
	return out
}

func (d *decoder) sinkType(s *scope) bool {
	switch name := kind(s); {
	case name == "file":
		return true
	case name == "" && s.attrs["type"] != nil && s.vals["type"] == nil:
		// The type was not valid, and that was said.
	case name == "":
		d.errorf(s.def, "Missing type", "The sink needs a type: sink \"file\" { ... }.")
	default:
		at := s.def
		if get(s, "type", "") != "" {
			at = s.at("type")
		}
		d.errorf(at, "Unknown sink", "The only type of sink is \"file\".")
	}
	return false
}

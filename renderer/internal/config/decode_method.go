package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// methodConfig reads the config map by the table of the method's type.
func (d *decoder) methodConfig(s *scope, m *Method) {
	outer := s.last("config")
	table := s.sec.key("config").Section.variant(m.Type)
	if outer == nil && m.Type != "cert" {
		d.errorf(s.def, "Missing config", "Method %q needs a block with its settings: config { %s }.", m.Type, example(m.Type))
		return
	}
	c := d.config(s, outer, table)
	switch m.Type {
	case "approle":
		m.AppRole = d.appRole(c, m.MountPath)
	case "token_file":
		d.required(c, "token_file_path")
		m.TokenFile = &TokenFile{TokenFilePath: get(c, "token_file_path", "")}
	case "kubernetes":
		d.required(c, "role")
		m.Kubernetes = &Kubernetes{Role: get(c, "role", ""), TokenPath: orElse(get(c, "token_path", ""), podToken)}
	case "jwt":
		m.JWT = d.jwt(c)
	case "cert":
		m.Cert = d.cert(c)
	case "ldap":
		m.LDAP = d.ldap(c)
	case "userpass":
		d.required(c, "username", "password_file_path")
		m.Userpass = &Userpass{Username: get(c, "username", ""), PasswordFilePath: get(c, "password_file_path", "")}
	case "kerberos":
		m.Kerberos = d.kerberos(c)
	case "aws":
		m.AWS = d.aws(c)
	case "azure":
		m.Azure = d.azure(c)
	case "gcp":
		m.GCP = d.gcp(c)
	case "alicloud":
		m.AliCloud = d.aliCloud(c)
	case "cf":
		d.required(c, "role")
		m.CF = &CF{Role: get(c, "role", "")}
	case "oci":
		d.required(c, "type", "role")
		m.OCI = &OCI{Type: get(c, "type", ""), Role: get(c, "role", ""), CredentialPollInterval: d.positive(c, "credential_poll_interval", time.Minute, true)}
	}
}

// example is what a method's config needs at least, in words.
func example(method string) string {
	var out []string
	for _, k := range requiredKeys(method) {
		out = append(out, fmt.Sprintf("%s = \"...\"", k))
	}
	return strings.Join(out, " ")
}

func requiredKeys(method string) []string {
	switch method {
	case "approle":
		return []string{"role_id_file_path"}
	case "token_file":
		return []string{"token_file_path"}
	case "jwt":
		return []string{"path", "role"}
	case "ldap", "userpass":
		return []string{"username", "password_file_path"}
	case "kerberos":
		return []string{"username", "service", "realm", "keytab_path", "krb5conf_path"}
	case "aws", "gcp", "oci":
		return []string{"type", "role"}
	case "azure":
		return []string{"role", "resource"}
	case "alicloud":
		return []string{"role", "region"}
	}
	return []string{"role"}
}

// config reads every config block by the method's table into one scope.
func (d *decoder) config(method, outer *scope, table *Section) *scope {
	if outer == nil {
		return d.read(&body{end: method.def}, table, method.def)
	}
	m := *table
	m.Map, m.Title = true, fmt.Sprintf("the config of method %q", table.Name)
	out := &scope{def: outer.def, sec: &m, vals: map[string]any{}, attrs: outer.attrs, blocks: outer.blocks}
	for _, rest := range outer.rest {
		in := d.read(rest, &m, outer.def)
		for name, a := range in.attrs {
			out.attrs[name], out.vals[name] = a, in.vals[name]
		}
		out.rest = append(out.rest, in.rest...)
	}
	d.unknownIn(out)
	for _, k := range table.Keys {
		if k.Secret && get(out, k.Name, "") != "" {
			d.risk(secretInFile, out.at(k.Name))
		}
	}
	return out
}

// required wants keys that are set and not empty.
func (d *decoder) required(c *scope, keys ...string) {
	for _, k := range keys {
		if get(c, k, "") == "" && valid(c, k) {
			what := strings.TrimSuffix(lowerFirst(c.sec.key(k).Doc), "; required.")
			d.errorf(c.at(k), "Missing "+k, "Method %q needs config { %s = \"...\" }: %s.", c.sec.Name, k, strings.TrimSuffix(what, "."))
		}
	}
}

// lowerFirst makes a key's words the second half of a sentence.
func lowerFirst(s string) string {
	if strings.HasPrefix(s, "File") {
		return "the f" + s[1:]
	}
	if strings.HasPrefix(s, "Vault") {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

func orElse[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// idle warns of keys that do nothing beside the others, and says why. Their
// values do not matter then, as in Vault Agent.
func (d *decoder) idle(c *scope, why string, keys ...string) {
	for _, k := range keys {
		a := c.attrs[k]
		if a == nil {
			continue
		}
		at := a.Expr.StartRange()
		d.diags = slices.DeleteFunc(d.diags, func(x *hcl.Diagnostic) bool { return *x.Subject == at })
		d.warnf(a.NameRange, "No effect", "%q has no effect %s.", k, why)
	}
}

// positive is a duration; 0 is the default or an error.
func (d *decoder) positive(c *scope, key string, def time.Duration, zeroIsDefault bool) time.Duration {
	v := get(c, key, def)
	if v == 0 && !zeroIsDefault {
		d.errorf(c.at(key), "Invalid duration", "%q must be more than 0.", key)
	}
	return orElse(v, def)
}

// seconds is a bare number of seconds; 0 is good only where that is the default.
func (d *decoder) seconds(c *scope, key string, def int) time.Duration {
	n := get(c, key, def)
	if n < min(def, 1) {
		d.errorf(c.at(key), "Invalid value", "%q must be a positive number of seconds.", key)
	}
	return time.Duration(n) * time.Second
}

// readPeriod is how often a credential's file is looked at.
func readPeriod(removed bool) time.Duration {
	if removed {
		return 500 * time.Millisecond
	}
	return time.Minute
}

package config

import "time"

// sinkScopes are the sink blocks, also those inside "sinks", which may be a sink
// itself too.
func sinkScopes(s *scope) []*scope {
	list := s.blocks["sink"]
	for _, wrapper := range s.blocks["sinks"] {
		if len(wrapper.attrs) > 0 || len(wrapper.blocks["config"]) > 0 {
			list = append(list, wrapper)
		}
		list = append(list, wrapper.blocks["sink"]...)
	}
	return list
}

func (d *decoder) sink(s *scope) Sink {
	c := s.last("config")
	def := uint32(0o640)
	if d.strict {
		def = 0o600
	}
	out := Sink{
		Path:      get(c, "path", ""),
		Mode:      int(get(c, "mode", def)),
		Owner:     get(c, "owner", -1),
		Group:     get(c, "group", -1),
		WrapTTL:   get(s, "wrap_ttl", time.Duration(0)),
		DHType:    get(s, "dh_type", ""),
		DHPath:    get(s, "dh_path", ""),
		DeriveKey: get(s, "derive_key", false),
		AAD:       d.aad(s),
		Range:     s.def,
	}
	if !d.sinkType(s) {
		return out
	}
	d.unknownIn(c)
	d.encryption(s, out)
	if out.Path == "" && (c == nil || valid(c, "path")) {
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
	if out.Mode&0o007 != 0 && out.DHType == "" {
		d.risk(worldSink, c.at("mode"))
	}
	return out
}

// aad is the additional data: aad_env_var, once named, beats aad.
func (d *decoder) aad(s *scope) string {
	name := get(s, "aad_env_var", "")
	if name == "" {
		return get(s, "aad", "")
	}
	v := d.getenv(name)
	if v == "" {
		d.warnf(s.at("aad_env_var"), "Empty variable", "The environment variable that \"aad_env_var\" names is empty or not set: there is no additional data.")
	}
	return v
}

// encryption checks what belongs to an encrypted sink.
func (d *decoder) encryption(s *scope, x Sink) {
	if !valid(s, "dh_type") || !valid(s, "dh_path") {
		return // that was said
	}
	switch {
	case x.DHType != "" && x.DHPath == "":
		d.errorf(s.at("dh_type"), "Incomplete encryption", "\"dh_type\" needs \"dh_path\" beside it: the file with the reader's public key.")
	case x.DHType == "" && x.DHPath != "":
		d.errorf(s.at("dh_path"), "Incomplete encryption", "\"dh_path\" needs dh_type = \"curve25519\" beside it.")
	case x.DHType == "" && x.AAD != "":
		at := s.at("aad")
		if get(s, "aad_env_var", "") != "" {
			at = s.at("aad_env_var")
		}
		d.errorf(at, "Incomplete encryption", "Additional data needs an encrypted sink: \"dh_type\" and \"dh_path\".")
	case x.DHType == "" && x.DeriveKey:
		d.errorf(s.at("derive_key"), "Incomplete encryption", "\"derive_key\" needs an encrypted sink: \"dh_type\" and \"dh_path\".")
	}
}

func (d *decoder) sinkType(s *scope) bool {
	switch name := kind(s); {
	case name == "file":
		return true
	case name == "" && !valid(s, "type"):
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

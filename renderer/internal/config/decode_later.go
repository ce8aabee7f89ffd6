package config

import "github.com/hashicorp/hcl/v2"

// What stands here is read and checked in full, although this version has no
// function for it and refuses it in the end.

// notYet is the one error on what this version cannot do.
func (d *decoder) notYet(at hcl.Range, detail string) {
	d.errorf(at, "Not supported in this version", "%s", detail)
}

func (d *decoder) cache(s *scope) *Cache {
	if s == nil {
		return nil
	}
	return &Cache{Persist: d.persist(s.last("persist")), Range: s.def}
}

func (d *decoder) persist(s *scope) *Persist {
	if s == nil {
		return nil
	}
	p := &Persist{
		Type:                    kind(s),
		Path:                    get(s, "path", ""),
		KeepAfterImport:         get(s, "keep_after_import", false),
		ExitOnErr:               get(s, "exit_on_err", false),
		ServiceAccountTokenFile: orElse(get(s, "service_account_token_file", ""), podToken),
		Range:                   s.def,
	}
	switch {
	case !valid(s, "type"):
	case p.Type == "":
		d.errorf(s.def, "Missing type", "\"persist\" needs a type: persist \"kubernetes\" { ... }.")
	case p.Type != "kubernetes":
		d.errorf(s.at("type"), "Invalid value", "The only type of \"persist\" is \"kubernetes\".")
	}
	if p.Path == "" && valid(s, "path") {
		d.errorf(s.at("path"), "Missing path", "\"persist\" needs a \"path\": the directory of the cache file.")
	}
	return p
}

// proxy reads the keys that api_proxy has, and cache as their older place.
func (d *decoder) proxy(s *scope) *APIProxy {
	if s == nil {
		return nil
	}
	use := get(s, "use_auto_auth_token", "false")
	return &APIProxy{
		UseAutoAuthToken:   use != "false",
		ForceAutoAuthToken: use == "force",
		EnforceConsistency: orElse(get(s, "enforce_consistency", ""), "never"),
		WhenInconsistent:   orElse(get(s, "when_inconsistent", ""), "fail"),
		Range:              s.def,
	}
}

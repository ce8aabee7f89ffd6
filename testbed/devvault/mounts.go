package devvault

import (
	"net/http"
	"strings"
	"time"
)

// addBuiltins makes what every Vault has.
func (s *Server) addBuiltins() {
	s.policies["default"] = mustPolicy(defaultPolicy)
	s.policies["response-wrapping"] = mustPolicy(wrappingPolicy)
	s.addMount("sys/", "system", "system endpoints used for control, policy and debugging", s.sysRoutes())
	s.addMount("cubbyhole/", "cubbyhole", "per-token private secret storage", s.cubbyholeRoutes())
	s.addMount("auth/token/", "token", "token based credentials", s.tokenRoutes())
}

func (s *Server) addMount(path, kind, desc string, routes []route) *mount {
	m := &mount{
		path: path, kind: kind, desc: desc, routes: routes,
		accessor: strings.ReplaceAll(strings.Trim(kind, "/"), "-", "_") + "_" + s.randomString(8), uuid: s.uuid(),
	}
	if strings.HasPrefix(path, "auth/") {
		m.accessor = "auth_" + m.accessor
	}
	s.mounts[path] = m
	return m
}

func (s *Server) mountRoutes() []route {
	return []route{
		{pattern: "mounts", read: s.listMounts(false)},
		{pattern: "mounts/*", read: s.readMount(false), write: s.enableMount, remove: s.disableMount("")},
		{pattern: "auth", read: s.listMounts(true)},
		{pattern: "auth/*", read: s.readMount(true), write: s.enableAuth, remove: s.disableMount("auth/"), sudo: true},
		{pattern: "internal/ui/mounts", read: s.uiMounts, open: true},
		{pattern: "internal/ui/mounts/*", read: s.uiMount, open: true},
	}
}

func isAuth(m *mount) bool { return strings.HasPrefix(m.path, "auth/") }

// describe is a mount in an answer. Only the ui paths resolve the TTLs.
func (s *Server) describe(m *mount, ui bool) map[string]any {
	config := map[string]any{"default_lease_ttl": 0, "force_no_cache": false, "max_lease_ttl": 0}
	if ui {
		config["default_lease_ttl"] = int(s.o.DefaultTTL / time.Second)
		config["max_lease_ttl"] = int(s.o.MaxTTL / time.Second)
	}
	if isAuth(m) {
		config["token_type"] = "default-service"
	}
	d := map[string]any{
		"accessor": m.accessor, "config": config, "description": m.desc, "external_entropy_access": false,
		"local": m.kind == "cubbyhole", "options": nil, "plugin_version": "", "running_plugin_version": "v" + serverVersion + "+builtin.vault",
		"running_sha256": "", "seal_wrap": m.kind == "system", "type": m.kind, "uuid": m.uuid,
	}
	if m.options != nil {
		d["options"], d["deprecation_status"] = m.options, "supported"
	}
	return d
}

func (s *Server) listMounts(auth bool) handler {
	return func(*request) (*response, error) {
		data := map[string]any{}
		for path, m := range s.mounts {
			if isAuth(m) == auth {
				data[strings.TrimPrefix(path, "auth/")] = s.describe(m, false)
			}
		}
		return &response{data: data, inject: true}, nil
	}
}

func (s *Server) readMount(auth bool) handler {
	return func(r *request) (*response, error) {
		path := strings.Trim(r.args[0], "/") + "/"
		prefix, noun := "", "No secret engine mount at "
		if auth {
			prefix, noun = "auth/", "No auth engine at "
		}
		m := s.mounts[prefix+path]
		if m == nil {
			return nil, badRequest("%s%s", noun, path)
		}
		return &response{data: s.describe(m, false), inject: true}, nil
	}
}

func (s *Server) enableMount(r *request) (*response, error) {
	path := strings.Trim(r.args[0], "/") + "/"
	if s.mounts[path] != nil {
		return nil, badRequest("path is already in use at %s", path)
	}
	options := map[string]any{}
	for k, v := range r.object("options") {
		options[k] = v
	}
	kind := r.str("type")
	if kind == "kv-v2" {
		kind, options["version"] = "kv", "2"
	}
	var routes []route
	switch {
	case kind == "kv" && options["version"] == "2":
		routes = s.newKV2()
	case kind == "kv" || kind == "generic":
		routes = s.newKV1()
	case kind == "database":
		routes = s.newDatabase()
	case kind == "pki":
		routes = s.newPKI()
	case kind == "":
		return nil, badRequest("backend type must be specified as a string")
	default:
		return nil, badRequest("plugin not found in the catalog: %s", kind)
	}
	s.addMount(path, kind, r.str("description"), routes).options = options
	return nil, nil
}

func (s *Server) enableAuth(r *request) (*response, error) {
	path := strings.Trim(r.args[0], "/") + "/"
	if s.mounts["auth/"+path] != nil {
		return nil, badRequest("path is already in use at %s", path)
	}
	kind := r.str("type")
	if kind != "approle" {
		return nil, badRequest("plugin not found in the catalog: %s", kind)
	}
	s.addMount("auth/"+path, kind, r.str("description"), s.newAppRole()).options = map[string]any{}
	return nil, nil
}

// disableMount ends a mount with all its leases and tokens.
func (s *Server) disableMount(prefix string) handler {
	return func(r *request) (*response, error) {
		path := prefix + strings.Trim(r.args[0], "/") + "/"
		m := s.mounts[path]
		if m == nil {
			return nil, nil
		}
		switch m.kind {
		case "system", "cubbyhole", "token":
			return nil, badRequest("cannot unmount %q", strings.TrimPrefix(path, "auth/"))
		}
		delete(s.mounts, path)
		_, err := s.revokePrefix(&request{args: []string{path}})
		return nil, err
	}
}

// uiMount tells which mount a path belongs to, to whoever may use the mount.
func (s *Server) uiMount(r *request) (*response, error) {
	if err := s.authenticate(r); err != nil {
		return nil, err
	}
	defer s.endUse(r.tok)
	path := strings.Trim(r.args[0], "/")
	m := s.findMount(path)
	if m == nil || !s.mayUse(r.tok, m.path) {
		return nil, fail(http.StatusForbidden,
			"preflight capability check returned 403, please ensure client's policies grant access to path \""+path+"/\"")
	}
	data := s.describe(m, true)
	data["path"] = m.path
	return &response{data: data, noMount: true}, nil
}

func (s *Server) uiMounts(r *request) (*response, error) {
	auth, secret := map[string]any{}, map[string]any{}
	if r.clientID != "" {
		if err := s.authenticate(r); err != nil {
			return nil, err
		}
		defer s.endUse(r.tok)
		for path, m := range s.mounts {
			switch {
			case !s.mayUse(r.tok, path):
			case isAuth(m):
				auth[strings.TrimPrefix(path, "auth/")] = s.describe(m, true)
			default:
				secret[path] = s.describe(m, true)
			}
		}
	}
	return &response{data: map[string]any{"auth": auth, "secret": secret}, noMount: true}, nil
}

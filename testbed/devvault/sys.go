package devvault

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// serverVersion is the real server whose answers this one imitates.
const serverVersion = "1.21.1"

// answerUnsealedOrNot answers the few paths that a sealed server answers too.
func (s *Server) answerUnsealedOrNot(r *request) (resp *response, err error, done bool) {
	switch {
	case r.path == "sys/health" && r.op == opRead:
		return s.health(r), nil, true
	case r.path == "sys/seal-status" && r.op == opRead:
		return &response{raw: s.sealStatus()}, nil, true
	case r.path == "sys/init" && r.op == opRead:
		return &response{raw: map[string]any{"initialized": true}}, nil, true
	case r.path == "sys/init" && r.op == opWrite:
		return nil, badRequest("Vault is already initialized"), true
	case r.path == "sys/unseal" && r.op == opWrite:
		resp, err = s.unseal(r)
		return resp, err, true
	}
	return nil, nil, false
}

func (s *Server) health(r *request) *response {
	status, mode := http.StatusOK, "disabled"
	if s.sealed {
		status, mode = http.StatusServiceUnavailable, "unknown"
		if c, err := strconv.Atoi(r.query.Get("sealedcode")); err == nil {
			status = c
		}
	} else if c, err := strconv.Atoi(r.query.Get("activecode")); err == nil {
		status = c
	}
	h := map[string]any{
		"initialized": true, "sealed": s.sealed, "standby": s.sealed, "performance_standby": false,
		"replication_performance_mode": mode, "replication_dr_mode": mode,
		"server_time_utc": time.Now().Unix(), "version": serverVersion, "enterprise": false,
		"echo_duration_ms": 0, "clock_skew_ms": 0, "replication_primary_canary_age_ms": 0,
	}
	s.addCluster(h)
	return &response{status: status, raw: h}
}

func (s *Server) addCluster(m map[string]any) {
	if !s.sealed {
		m["cluster_name"], m["cluster_id"] = "vault-cluster-devvault", s.cluster
	}
}

func (s *Server) sealStatus() map[string]any {
	st := map[string]any{
		"type": "shamir", "initialized": true, "sealed": s.sealed, "t": 1, "n": 1, "progress": 0, "nonce": "",
		"version": serverVersion, "build_date": "2025-11-18T13:04:32Z", "migration": false,
		"recovery_seal": false, "storage_type": "inmem",
	}
	s.addCluster(st)
	return st
}

func (s *Server) unseal(r *request) (*response, error) {
	if s.sealed && !r.flag("reset", false) {
		if r.str("key") != s.key {
			return nil, badRequest("invalid key: key is shorter than minimum 16 bytes")
		}
		s.sealed = false
		s.restartTimers() // what ended meanwhile ends now
	}
	return &response{raw: s.sealStatus()}, nil
}

func (s *Server) seal(*request) (*response, error) {
	s.sealed = true
	s.stopTimers()
	return nil, nil
}

func (s *Server) sysRoutes() []route {
	own := []route{
		{pattern: "seal", write: s.seal, sudo: true},
		{pattern: "capabilities-self", write: s.capabilitiesSelf},
		{pattern: "capabilities", write: s.capabilitiesOf},
		{pattern: "capabilities-accessor", write: s.capabilitiesOf},
		{pattern: "policies/acl", list: s.listPolicies},
		{pattern: "policies/acl/+", read: s.readPolicy("policy"), write: s.writePolicy, remove: s.removePolicy},
		{pattern: "policy", read: s.readPolicyNames, list: s.readPolicyNames},
		{pattern: "policy/+", read: s.readPolicy("rules"), write: s.writePolicy, remove: s.removePolicy},
		{pattern: "audit", read: s.readAudit, sudo: true},
		{pattern: "audit/*", write: s.enableAudit, remove: s.disableAudit, sudo: true},
	}
	return slices.Concat(own, s.mountRoutes(), s.leaseRoutes(), s.wrappingRoutes())
}

func (s *Server) capabilitiesSelf(r *request) (*response, error) { return s.capabilitiesFor(r, r.tok) }

func (s *Server) capabilitiesOf(r *request) (*response, error) {
	t := s.tokens[r.str("token")]
	if r.has("accessor") {
		t = s.byAccessor(r.str("accessor"))
	}
	if t == nil {
		return nil, badRequest("invalid token")
	}
	return s.capabilitiesFor(r, t)
}

func (s *Server) capabilitiesFor(r *request, t *token) (*response, error) {
	paths := append(r.list("paths"), r.list("path")...)
	if len(paths) == 0 {
		return nil, badRequest("paths must be supplied")
	}
	data := map[string]any{}
	for _, p := range paths {
		data[p] = s.capabilities(t, p)
	}
	if len(paths) == 1 {
		data["capabilities"] = data[paths[0]]
	}
	return &response{data: data, inject: true}, nil
}

func (s *Server) policyNames() []string {
	names := []string{"root"}
	for n := range s.policies {
		if n != "response-wrapping" {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

func (s *Server) listPolicies(*request) (*response, error) { return listing("", s.policyNames()) }

func (s *Server) readPolicyNames(*request) (*response, error) {
	n := s.policyNames()
	return &response{data: map[string]any{"keys": n, "policies": n}, inject: true}, nil
}

func (s *Server) readPolicy(key string) handler {
	return func(r *request) (*response, error) {
		name := r.args[0]
		if name == "root" {
			return &response{data: map[string]any{"name": name, key: ""}, inject: key == "rules"}, nil
		}
		p := s.policies[name]
		if p == nil {
			return nil, errNotFound
		}
		return &response{data: map[string]any{"name": name, key: p.text}, inject: key == "rules"}, nil
	}
}

func (s *Server) writePolicy(r *request) (*response, error) {
	name, text := r.args[0], r.str("policy")
	if text == "" {
		text = r.str("rules")
	}
	if text == "" {
		return nil, badRequest("'policy' parameter not supplied or empty")
	}
	p, err := parsePolicy(text)
	if err != nil {
		return nil, badRequest("failed to parse policy: %v", err)
	}
	if name == "root" || name == "response-wrapping" {
		return nil, badRequest("cannot update %q policy", name)
	}
	s.policies[name] = p
	return nil, nil
}

func (s *Server) removePolicy(r *request) (*response, error) {
	switch name := r.args[0]; name {
	case "root", "default", "response-wrapping":
		return nil, badRequest("cannot delete %q policy", name)
	default:
		delete(s.policies, name)
	}
	return nil, nil
}

func (s *Server) readAudit(*request) (*response, error) {
	data := map[string]any{}
	for k, v := range s.audits {
		data[k] = v
	}
	return &response{data: data, inject: true}, nil
}

// enableAudit accepts a device and writes nothing to it.
func (s *Server) enableAudit(r *request) (*response, error) {
	path := r.args[0] + "/"
	if s.audits[path] != nil {
		return nil, badRequest("path already in use")
	}
	s.audits[path] = map[string]any{
		"description": r.str("description"), "local": r.flag("local", false), "options": maps.Clone(r.object("options")),
		"path": path, "type": r.str("type"),
	}
	return nil, nil
}

func (s *Server) disableAudit(r *request) (*response, error) {
	delete(s.audits, r.args[0]+"/")
	return nil, nil
}

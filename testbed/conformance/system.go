package conformance

import (
	"testing"
)

func (s *suite) policies(t *testing.T) {
	tok := s.newToken(t, map[string]any{"policies": []string{"some"}})
	caps := func(token string, paths ...string) reply {
		t.Helper()
		return s.ok(t, token, "POST", "sys/capabilities-self", map[string]any{"paths": paths})
	}
	r := caps(tok, "secret/data/allowed", "kv1/x", "secret/data/other", "auth/token/lookup-self", "kv1/no/x", "kv1/any/mid")
	r.want(t, map[string]any{
		"secret/data/allowed":    []any{"read"},
		"kv1/x":                  []any{"create", "list", "read"},
		"secret/data/other":      []any{"deny"},
		"auth/token/lookup-self": []any{"read"},
		"kv1/no/x":               []any{"deny"},
		"kv1/any/mid":            []any{"update"},
	}, "data")
	r.want(t, []any{"read"}, "secret/data/allowed") // at the top level, too
	r = caps(s.RootToken, "kv1/x")
	r.want(t, map[string]any{"kv1/x": []any{"root"}, "capabilities": []any{"root"}}, "data")

	s.ok(t, tok, "PUT", "kv1/new", map[string]any{"a": 1})
	s.fails(t, tok, "PUT", "kv1/new", map[string]any{"a": 1}, 403, denied) // create, not update
	s.fails(t, tok, "GET", "kv1/no/x", nil, 403, denied)
	s.fails(t, tok, "LIST", "kv1/no", nil, 404) // kv1/* covers the folder itself, the deny only what is in it
	s.fails(t, tok, "LIST", "kv1/no/x", nil, 403, denied)

	s.fails(t, s.RootToken, "GET", "sys/policies/acl/nope", nil, 404)
	s.ok(t, s.RootToken, "GET", "sys/policies/acl/some", nil).shape(t, []string{"data"}, "name:string", "policy:string")
	s.fails(t, s.RootToken, "PUT", "sys/policies/acl/bad", map[string]any{"policy": `path "x" { capabilities = ["foo"] }`}, 400,
		`failed to parse policy: path "x": invalid capability "foo"`)
	s.parameters(t)
}

// revoker may revoke the leases of one role, and nothing else.
const revoker = `
path "database/creds/mysql-role" {
  capabilities = ["read"]
}
path "sys/leases/revoke" {
  capabilities = ["update"]
  allowed_parameters = {
    "lease_id" = ["database/creds/mysql-role/*"]
    "sync"     = []
  }
}`

// parameters checks what a policy says of a request's parameters.
func (s *suite) parameters(t *testing.T) {
	t.Helper()
	const path = "sys/leases/revoke"
	s.ok(t, s.RootToken, "PUT", "sys/policies/acl/revoker", map[string]any{"policy": revoker})
	tok := s.newToken(t, map[string]any{"policies": []string{"revoker"}, "ttl": "5m"})
	id := s.ok(t, tok, "GET", "database/creds/mysql-role", nil).str("lease_id")
	s.fails(t, tok, "PUT", path, map[string]any{"lease_id": "auth/approle/x"}, 403, denied)
	s.fails(t, tok, "PUT", path, map[string]any{"lease_id": id, "foo": 1}, 403, denied)
	s.fails(t, tok, "GET", "database/roles/mysql-role", nil, 403, denied)
	s.ok(t, tok, "PUT", path, map[string]any{"lease_id": id})
	s.fails(t, tok, "PUT", "sys/leases/renew", map[string]any{"lease_id": id}, 400, "lease not found")
	id = s.ok(t, tok, "GET", "database/creds/mysql-role", nil).str("lease_id")
	s.fails(t, tok, "PUT", path+"/"+id, map[string]any{"sync": true}, 403, denied) // another path
	s.ok(t, tok, "PUT", path, map[string]any{"lease_id": id, "sync": true})
	s.fails(t, tok, "PUT", "sys/leases/renew", map[string]any{"lease_id": id}, 400, "lease not found")
}

func (s *suite) mounts(t *testing.T) {
	const ui = "sys/internal/ui/mounts/"
	tok := s.newToken(t, map[string]any{"policies": []string{"some"}})
	poor := s.newToken(t, map[string]any{"policies": []string{"default"}})
	r := s.ok(t, tok, "GET", ui+"secret/data/whatever", nil)
	r.envelope(t)
	r.want(t, "secret/", "data", "path")
	r.want(t, "kv", "data", "type")
	r.want(t, "2", "data", "options", "version")
	r.want(t, 2592000, "data", "config", "max_lease_ttl")
	s.ok(t, tok, "GET", ui+"kv1/foo/bar", nil).want(t, "1", "data", "options", "version")
	s.ok(t, tok, "GET", ui+"database/creds/x", nil).want(t, "database", "data", "type")
	const refused = "preflight capability check returned 403, please ensure client's policies grant access to path "
	s.fails(t, poor, "GET", ui+"secret/x", nil, 403, refused+`"secret/x/"`)
	s.fails(t, s.RootToken, "GET", ui+"nope/x", nil, 403, refused+`"nope/x/"`)
	s.fails(t, "", "GET", ui+"secret/x", nil, 403, "permission denied")
	s.fails(t, "hvs.bogus", "GET", ui+"secret/x", nil, 403, invalidToken)

	r = s.ok(t, s.RootToken, "GET", "sys/mounts", nil)
	r.want(t, "kv", "data", "kv1/", "type")
	r.want(t, "kv", "kv1/", "type")
	s.ok(t, s.RootToken, "GET", "sys/auth", nil).want(t, "approle", "data", "approle/", "type")
	s.fails(t, s.RootToken, "POST", "sys/mounts/kv1", map[string]any{"type": "kv"}, 400, "path is already in use at kv1/")
	s.fails(t, s.RootToken, "POST", "sys/mounts/foo", map[string]any{"type": "bar"}, 400, "plugin not found in the catalog: bar")
	if r := s.ok(t, tok, "GET", "kv1/new", nil, "X-Vault-Namespace", "team"); r.at("data") == nil {
		t.Error("a namespace header is not ignored")
	}
}

func (s *suite) audit(t *testing.T) {
	r := s.ok(t, s.RootToken, "GET", "sys/audit", nil)
	r.envelope(t)
}

// seal comes last: a sealed server answers nothing else.
func (s *suite) seal(t *testing.T) {
	health := []string{
		"initialized:bool", "sealed:bool", "standby:bool", "performance_standby:bool", "replication_performance_mode:string",
		"replication_dr_mode:string", "server_time_utc:number", "version:string", "enterprise:bool",
		"echo_duration_ms:number", "clock_skew_ms:number", "replication_primary_canary_age_ms:number",
	}
	status := []string{
		"type:string", "initialized:bool", "sealed:bool", "t:number", "n:number", "progress:number", "nonce:string",
		"version:string", "build_date:string", "migration:bool", "recovery_seal:bool", "storage_type:string",
	}
	cluster := []string{"cluster_name:string", "cluster_id:string"}
	s.ok(t, "", "GET", "sys/health", nil).shape(t, nil, append(cluster, health...)...)
	s.ok(t, "", "GET", "sys/seal-status", nil).shape(t, nil, append(cluster, status...)...)
	s.ok(t, "", "GET", "sys/init", nil).want(t, true, "initialized")
	s.fails(t, "", "PUT", "sys/init", map[string]any{"secret_shares": 1, "secret_threshold": 1}, 400, "Vault is already initialized")

	tok := s.newToken(t, map[string]any{"policies": []string{"default"}, "ttl": "10m"})
	if err := s.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"kv1/new", "auth/token/lookup-self", "sys/mounts", "nonexistent"} {
		s.fails(t, tok, "GET", path, nil, 503, "Vault is sealed")
	}
	s.fails(t, "", "PUT", "auth/approle/login", credentials("a", "b"), 503, "Vault is sealed")
	r := s.call(t, "", "GET", "sys/health", nil)
	r.shape(t, nil, health...)
	if r.status != 503 {
		t.Errorf("health of a sealed server: %d", r.status)
	}
	r = s.ok(t, "", "GET", "sys/seal-status", nil)
	r.shape(t, nil, status...)
	r.want(t, true, "sealed")
	if err := s.Unseal(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.lookupSelf(t, tok)
}

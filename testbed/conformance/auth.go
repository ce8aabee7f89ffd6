package conformance

import (
	"testing"
	"time"

	"vault-renderer/testbed/bootstrap"
)

const appRole = "auth/approle/role/conformance"

// prepare mounts and configures what all parts need.
func (s *suite) prepare(t *testing.T) {
	t.Helper()
	_, err := bootstrap.Run(t.Context(), bootstrap.Options{
		Client:    s.client(t, s.RootToken),
		MySQLAddr: s.MySQLAddr, MySQLRootUser: s.MySQLRootUser, MySQLRootPassword: s.MySQLRootPassword,
		DeliverDir: t.TempDir(), TokenTTL: time.Minute, TokenMaxTTL: time.Hour,
		LeaseTTL: time.Minute, LeaseMaxTTL: time.Hour, TableGrants: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	root := s.RootToken
	s.ok(t, root, "POST", "sys/mounts/kv1", map[string]any{"type": "kv", "options": map[string]any{"version": "1"}})
	s.ok(t, root, "POST", "sys/mounts/secret", map[string]any{"type": "kv-v2"})
	// The real server answers 400 while it sets a version 2 mount up.
	eventually(t, "KV 2 is ready", func() bool { return s.call(t, root, "GET", "secret/config", nil).status == 200 })
	s.ok(t, root, "PUT", "sys/policies/acl/some", map[string]any{"policy": `
path "secret/data/allowed" { capabilities = ["read"] }
path "kv1/*" { capabilities = ["create", "read", "list"] }
path "kv1/no/*" { capabilities = ["deny"] }
path "kv1/+/mid" { capabilities = ["update"] }
path "auth/token/create" { capabilities = ["update"] }
path "database/creds/*" { capabilities = ["read"] }
`})
	s.ok(t, root, "POST", appRole, map[string]any{
		"token_policies": "some", "token_ttl": "20s", "token_max_ttl": "40s", "secret_id_ttl": "1h", "secret_id_num_uses": 2,
	})
}

func (s *suite) errors(t *testing.T) {
	tok := s.newToken(t, map[string]any{"policies": []string{"some"}, "ttl": "10m"})
	s.fails(t, "", "GET", "kv1/x", nil, 403, "permission denied")
	s.fails(t, "hvs.bogus", "GET", "kv1/x", nil, 403, invalidToken)
	s.fails(t, "hvs.bogus", "PUT", "auth/token/renew-self", nil, 403, invalidToken)
	s.fails(t, "hvs.bogus", "PUT", "sys/leases/renew", map[string]any{"lease_id": "x"}, 403, invalidToken)
	s.fails(t, tok, "GET", "secret/data/other", nil, 403, denied)
	s.fails(t, tok, "GET", "no/mount", nil, 403, denied)
	s.fails(t, tok, "LIST", "secret/metadata", nil, 403, denied)
	s.fails(t, tok, "PUT", "sys/seal", nil, 403, denied)
	s.fails(t, tok, "GET", "secret/data/allowed", nil, 404)
	s.fails(t, s.RootToken, "GET", "no/mount", nil, 404, `no handler for route "no/mount". route entry not found.`)
	s.fails(t, s.RootToken, "GET", "auth/token/nope", nil, 404, "1 error occurred:\n\t* unsupported path\n\n")
	s.fails(t, s.RootToken, "GET", "auth/token/create", nil, 405, "1 error occurred:\n\t* unsupported operation\n\n")
	s.fails(t, s.RootToken, "POST", "database/creds/mysql-role", nil, 405, "1 error occurred:\n\t* unsupported operation\n\n")
}

// ids makes a secret_id and returns it with the role_id.
func (s *suite) ids(t *testing.T, params map[string]any) (roleID, secretID string) {
	t.Helper()
	r := s.ok(t, s.RootToken, "GET", appRole+"/role-id", nil)
	sid := s.ok(t, s.RootToken, "PUT", appRole+"/secret-id", params)
	sid.envelope(t)
	sid.shape(t, []string{"data"}, "secret_id:string", "secret_id_accessor:string", "secret_id_num_uses:number", "secret_id_ttl:number")
	return r.str("data", "role_id"), sid.str("data", "secret_id")
}

func credentials(roleID, secretID string) map[string]any {
	return map[string]any{"role_id": roleID, "secret_id": secretID}
}

func (s *suite) login(t *testing.T) {
	const path, bad = "auth/approle/login", "invalid role or secret ID"
	rid, sid := s.ids(t, map[string]any{"metadata": `{"host":"web"}`})
	s.fails(t, "", "PUT", path, credentials(rid, "nope"), 400, bad)
	s.fails(t, "", "PUT", path, credentials("nope", sid), 400, bad)
	s.fails(t, "", "PUT", path, map[string]any{"role_id": rid}, 400, "missing secret_id")
	s.fails(t, "", "PUT", path, map[string]any{}, 500, "failed to determine alias name from login request")

	r := s.ok(t, "", "PUT", path, credentials(rid, sid))
	r.envelope(t)
	r.shape(t, []string{"auth"}, "client_token:string", "accessor:string", "policies:list", "token_policies:list",
		"metadata:object", "lease_duration:number", "renewable:bool", "entity_id:string", "token_type:string",
		"orphan:bool", "mfa_requirement:null", "num_uses:number")
	r.want(t, 20, "auth", "lease_duration")
	r.want(t, 0, "lease_duration")
	r.want(t, true, "auth", "renewable")
	r.want(t, true, "auth", "orphan")
	r.want(t, []any{"default", "some"}, "auth", "policies")
	r.want(t, map[string]any{"role_name": "conformance", "host": "web"}, "auth", "metadata")
	r.want(t, nil, "data")

	// A wrong token in the header does not matter to a login; a second use
	// exhausts the secret_id.
	s.ok(t, "hvs.bogus", "POST", path, credentials(rid, sid))
	s.fails(t, "", "PUT", path, credentials(rid, sid), 400, bad)
}

func (s *suite) approle(t *testing.T) {
	root := s.RootToken
	rid, sid := s.ids(t, nil)
	r := s.ok(t, root, "GET", appRole, nil)
	r.shape(t, []string{"data"}, "bind_secret_id:bool", "local_secret_ids:bool", "secret_id_bound_cidrs:any",
		"secret_id_num_uses:number", "secret_id_ttl:number", "token_bound_cidrs:list", "token_explicit_max_ttl:number",
		"token_max_ttl:number", "token_no_default_policy:bool", "token_num_uses:number", "token_period:number",
		"token_policies:list", "token_ttl:number", "token_type:string")
	r.want(t, 40, "data", "token_max_ttl")
	r = s.ok(t, root, "PUT", appRole+"/secret-id/lookup", map[string]any{"secret_id": sid})
	r.shape(t, []string{"data"}, "cidr_list:list", "creation_time:string", "expiration_time:string", "last_updated_time:string",
		"metadata:object", "secret_id_accessor:string", "secret_id_num_uses:number", "secret_id_ttl:number", "token_bound_cidrs:list")
	if r = s.call(t, root, "PUT", appRole+"/secret-id/lookup", map[string]any{"secret_id": "nope"}); r.status != 204 {
		t.Errorf("lookup of an unknown secret_id: %d", r.status)
	}
	s.fails(t, root, "PUT", appRole+"/secret-id", map[string]any{"num_uses": 5}, 400,
		"num_uses cannot be higher than the role's secret_id_num_uses")
	s.ok(t, root, "PUT", appRole+"/secret-id/destroy", map[string]any{"secret_id": sid})
	s.fails(t, "", "PUT", "auth/approle/login", credentials(rid, sid), 400, "invalid role or secret ID")
	s.fails(t, root, "GET", "auth/approle/role/nope", nil, 404)
	s.fails(t, root, "GET", "auth/approle/role/nope/role-id", nil, 404)
	s.fails(t, root, "PUT", "auth/approle/role/nope/secret-id", nil, 404, `role "nope" does not exist`)
	s.fails(t, root, "POST", "auth/approle/role/x", map[string]any{"token_ttl": "50s", "token_max_ttl": "40s"}, 400,
		"'token_ttl' cannot be greater than 'token_max_ttl'")
	s.ok(t, root, "PUT", appRole+"/role-id", map[string]any{"role_id": "canary-role"})
	r = s.ok(t, root, "PUT", appRole+"/custom-secret-id", map[string]any{"secret_id": "canary-secret"})
	r.want(t, "canary-secret", "data", "secret_id")
	s.ok(t, "", "PUT", "auth/approle/login", credentials("canary-role", "canary-secret"))
	s.fails(t, root, "POST", "sys/auth/approle", map[string]any{"type": "approle"}, 400, "path is already in use at approle/")
}

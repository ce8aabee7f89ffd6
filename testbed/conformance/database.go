package conformance

import (
	"testing"
	"time"
)

const role = "database/creds/mysql-role"

func (s *suite) database(t *testing.T) {
	root := s.RootToken
	s.fails(t, root, "GET", "database/config/nope", nil, 404)
	s.fails(t, root, "GET", "database/roles/nope", nil, 404)
	s.fails(t, root, "GET", "database/creds/nope", nil, 400, "unknown role: nope")
	r := s.ok(t, root, "GET", "database/config/mysql-database", nil)
	r.shape(t, []string{"data"}, "allowed_roles:list", "connection_details:object", "disable_automated_rotation:bool",
		"password_policy:string", "plugin_name:string", "plugin_version:string", "root_credentials_rotate_statements:list",
		"rotation_period:number", "rotation_schedule:string", "rotation_window:number",
		"skip_static_role_import_rotation:bool", "verify_connection:bool")
	r.shape(t, []string{"data", "connection_details"}, "connection_url:string", "username:string") // never the password
	r = s.ok(t, root, "GET", "database/roles/mysql-role", nil)
	r.shape(t, []string{"data"}, "creation_statements:list", "credential_type:string", "db_name:string", "default_ttl:number",
		"max_ttl:number", "renew_statements:list", "revocation_statements:list", "rollback_statements:list")
	r.want(t, 60, "data", "default_ttl")

	s.ok(t, root, "PUT", "database/roles/other", map[string]any{"db_name": "mysql-database", "creation_statements": "BOGUS"})
	s.fails(t, root, "GET", "database/creds/other", nil, 500, "1 error occurred:\n\t* \"other\" is not an allowed role\n\n")
	s.ok(t, root, "PUT", "database/roles/lost", map[string]any{"db_name": "nope", "creation_statements": "BOGUS"})
	s.fails(t, root, "GET", "database/creds/lost", nil, 500,
		"1 error occurred:\n\t* failed to find entry for connection with name: \"nope\"\n\n")
	s.fails(t, root, "PUT", "database/roles/bad", map[string]any{}, 400, "database name is required")
	s.fails(t, root, "PUT", "database/config/bad", map[string]any{}, 400, "empty plugin name")
	s.fails(t, root, "PUT", "database/rotate-root/nope", nil, 500,
		"1 error occurred:\n\t* failed to find entry for connection with name: \"nope\"\n\n")
	if r := s.call(t, root, "PUT", "database/config/bad", map[string]any{
		"plugin_name": "mysql-database-plugin", "connection_url": "{{username}}:{{password}}@tcp(" + s.MySQLAddr + ")/",
		"username": "nobody", "password": "canary-wrong",
	}); r.status != 400 {
		t.Errorf("a connection that cannot log in: %d", r.status)
	}
	s.ok(t, root, "PUT", "database/rotate-root/mysql-database", nil)
	s.ok(t, root, "GET", role, nil) // still logs in
}

// creds reads credentials and checks that they work.
func (s *suite) creds(t *testing.T, token, path string) (r reply, user, password string) {
	t.Helper()
	r = s.ok(t, token, "GET", path, nil)
	r.envelope(t)
	r.shape(t, []string{"data"}, "username:string", "password:string")
	user, password = r.str("data", "username"), r.str("data", "password")
	if !s.hasUser(t, user) || !s.logsIn(t, user, password) {
		t.Fatalf("no working account %s", user)
	}
	return r, user, password
}

func (s *suite) renewLease(t *testing.T, id string, increment any) reply {
	t.Helper()
	r := s.ok(t, s.RootToken, "PUT", "sys/leases/renew", map[string]any{"lease_id": id, "increment": increment})
	r.envelope(t)
	r.want(t, nil, "data")
	r.want(t, id, "lease_id")
	return r
}

func (s *suite) leases(t *testing.T) {
	root := s.RootToken
	r, user, password := s.creds(t, root, role)
	r.want(t, true, "renewable")
	r.want(t, 60, "lease_duration")
	id := r.str("lease_id")
	r = s.ok(t, root, "PUT", "sys/leases/lookup", map[string]any{"lease_id": id})
	r.shape(t, []string{"data"}, "expire_time:string", "id:string", "issue_time:string", "last_renewal:null", "renewable:bool", "ttl:number")
	s.renewLease(t, id, 0).want(t, 60, "lease_duration")
	s.renewLease(t, id, "10s").want(t, 10, "lease_duration")
	if s.renewLease(t, id, 30).num("lease_duration") != 30 {
		t.Error("an increment in plain seconds")
	}
	s.ok(t, root, "PUT", "sys/leases/lookup", map[string]any{"lease_id": id}).shape(t, []string{"data"},
		"expire_time:string", "id:string", "issue_time:string", "last_renewal:string", "renewable:bool", "ttl:number")
	if len(s.ok(t, root, "LIST", "sys/leases/lookup/"+role, nil).at("data", "keys").([]any)) == 0 {
		t.Error("no leases in the list")
	}

	s.ok(t, root, "PUT", "sys/leases/revoke", map[string]any{"lease_id": id})
	eventually(t, "the account goes when its lease is revoked", func() bool { return !s.hasUser(t, user) })
	if s.logsIn(t, user, password) {
		t.Error("a dropped account logs in")
	}
	for _, gone := range []string{id, "nope"} {
		eventually(t, "the lease goes", func() bool {
			return s.call(t, root, "PUT", "sys/leases/lookup", map[string]any{"lease_id": gone}).status == 400
		})
		s.fails(t, root, "PUT", "sys/leases/renew", map[string]any{"lease_id": gone}, 400, "lease not found")
		s.fails(t, root, "PUT", "sys/leases/lookup", map[string]any{"lease_id": gone}, 400, "invalid lease")
		s.ok(t, root, "PUT", "sys/leases/revoke", map[string]any{"lease_id": gone}) // not an error
	}
	s.fails(t, root, "PUT", "sys/leases/renew", map[string]any{}, 400, "lease_id must be specified")
	s.fails(t, root, "LIST", "sys/leases/lookup/nope", nil, 404)

	_, user, _ = s.creds(t, root, role)
	s.ok(t, root, "PUT", "sys/leases/revoke-prefix/"+role, nil)
	eventually(t, "the account goes when its prefix is revoked", func() bool { return !s.hasUser(t, user) })
}

// leaseTruncation: a renewal never reaches past max_ttl, and then the lease
// lapses.
func (s *suite) leaseTruncation(t *testing.T) {
	root := s.RootToken
	s.ok(t, root, "PUT", "database/config/mysql-database", map[string]any{"allowed_roles": "mysql-role,short"})
	s.ok(t, root, "PUT", "database/roles/short", map[string]any{
		"db_name": "mysql-database", "default_ttl": "3s", "max_ttl": "6s",
		"creation_statements": "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'",
	})
	start := time.Now()
	r, user, _ := s.creds(t, root, "database/creds/short")
	r.want(t, 3, "lease_duration")
	id := r.str("lease_id")
	s.renewLease(t, id, "5s") // within the first second or so: not yet past 6 s
	wait(t, start, 2500*time.Millisecond)
	r = s.renewLease(t, id, "5s")
	left := r.num("lease_duration")
	if left < 3 || left > 4 {
		t.Errorf("%d s left of 6 s after 2.5 s", left)
	}
	r.warning(t, `TTL of "5s" exceeded the effective max_ttl of "`+(time.Duration(left)*time.Second).String()+`"; TTL value is capped accordingly`)
	eventually(t, "the lease lapses and its account goes", func() bool { return !s.hasUser(t, user) })
	if lived := time.Since(start); lived < 5*time.Second {
		t.Errorf("lapsed after %v", lived)
	}
	s.fails(t, root, "PUT", "sys/leases/renew", map[string]any{"lease_id": id}, 400, "lease not found")
}

// leaseEndsWithToken: revoked or expired, a token takes its accounts along.
func (s *suite) leaseEndsWithToken(t *testing.T) {
	tok := s.newToken(t, map[string]any{"policies": []string{"some"}, "ttl": "10m"})
	_, user, _ := s.creds(t, tok, role)
	child := s.ok(t, tok, "PUT", "auth/token/create", map[string]any{"ttl": "5m"}).str("auth", "client_token")
	_, childUser, _ := s.creds(t, child, role)
	short := s.newToken(t, map[string]any{"policies": []string{"some"}, "ttl": "2s"})
	_, shortUser, _ := s.creds(t, short, role)
	s.ok(t, s.RootToken, "PUT", "auth/token/revoke", map[string]any{"token": tok})
	for name, u := range map[string]string{"token": user, "token's child": childUser, "expired token": shortUser} {
		eventually(t, "the account goes with the "+name, func() bool { return !s.hasUser(t, u) })
	}
}

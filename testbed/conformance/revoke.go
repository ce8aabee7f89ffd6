package conformance

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const sqlError = "Error 1064 (42000): You have an error in your SQL syntax; check the manual that corresponds to your " +
	"MariaDB server version for the right syntax to use near 'BOGUS' at line 1"

// revocation: what revoking does at once, what later, and what it leaves when
// the database refuses.
func (s *suite) revocation(t *testing.T) {
	root := s.RootToken
	s.ok(t, root, "PUT", "database/config/mysql-database", map[string]any{"allowed_roles": "*"})
	s.ok(t, root, "PUT", "database/roles/sticky", map[string]any{
		"db_name": "mysql-database", "default_ttl": "60s", "max_ttl": "120s",
		"creation_statements": "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'",
	})
	s.ok(t, root, "PUT", "sys/policies/acl/revoking", map[string]any{"policy": `path "sys/leases/revoke" { capabilities = ["update"] }`})
	tok := s.newToken(t, map[string]any{"policies": []string{"some", "revoking"}, "ttl": "5m"})

	for _, body := range []map[string]any{{}, {"sync": true}} { // waiting is what it does when nothing is said
		r, user, _ := s.creds(t, tok, "database/creds/sticky")
		body["lease_id"] = r.str("lease_id")
		if r := s.ok(t, tok, "PUT", "sys/leases/revoke", body); r.status != http.StatusNoContent {
			t.Errorf("%v: %d", body, r.status)
		}
		if s.hasUser(t, user) {
			t.Errorf("%v: the account is still there", body)
		}
		s.fails(t, tok, "PUT", "sys/leases/lookup", map[string]any{"lease_id": body["lease_id"]}, 400, "invalid lease")
	}
	r, user, _ := s.creds(t, tok, "database/creds/sticky")
	late := s.ok(t, tok, "PUT", "sys/leases/revoke", map[string]any{"lease_id": r.str("lease_id"), "sync": false})
	if late.status != http.StatusAccepted || late.body != nil {
		t.Errorf("without waiting: %d %v", late.status, late.body)
	}
	eventually(t, "the account goes later", func() bool { return !s.hasUser(t, user) })
	s.revocationFails(t, tok)
	s.childIsRevoked(t, tok)
}

// sticky says whether what is leased can't be dropped.
func (s *suite) sticky(t *testing.T, yes bool) {
	t.Helper()
	statements := []string{}
	if yes {
		statements = []string{"BOGUS"}
	}
	s.ok(t, s.RootToken, "PUT", "database/roles/sticky", map[string]any{"revocation_statements": statements})
}

// revocationFails: a refused revocation changes nothing, unless nobody waited.
func (s *suite) revocationFails(t *testing.T, tok string) {
	t.Helper()
	s.sticky(t, true)
	r, user, password := s.creds(t, tok, "database/creds/sticky")
	lease := map[string]any{"lease_id": r.str("lease_id")}
	refused := "failed to revoke entry: resp: (*logical.Response)(nil) err: " + sqlError
	s.fails(t, tok, "PUT", "sys/leases/revoke", lease, 400, refused)
	r = s.ok(t, tok, "PUT", "sys/leases/lookup", lease)
	r.want(t, true, "data", "renewable")
	if ttl := r.num("data", "ttl"); ttl < 57 || ttl > 60 {
		t.Errorf("ttl %d", ttl)
	}
	s.ok(t, tok, "PUT", "sys/leases/renew", lease).want(t, 60, "lease_duration")
	s.fails(t, s.RootToken, "PUT", "sys/leases/revoke-prefix/database/creds/sticky", nil, 400,
		`failed to revoke "`+r.str("data", "id")+`" (1 / 1): `+refused)

	s.ok(t, tok, "PUT", "sys/leases/revoke", map[string]any{"lease_id": r.str("data", "id"), "sync": false})
	s.ended(t, tok, lease)
	if !s.logsIn(t, user, password) {
		t.Error("the account is gone")
	}
	s.sticky(t, false)
	s.ok(t, tok, "PUT", "sys/leases/revoke", lease)
	if s.hasUser(t, user) {
		t.Error("the account is still there")
	}
}

// ended is how a lease looks that is over, while its account can't be dropped.
func (s *suite) ended(t *testing.T, tok string, lease map[string]any) {
	t.Helper()
	start := time.Now()
	r := s.ok(t, tok, "PUT", "sys/leases/lookup", lease)
	r.shape(t, []string{"data"}, "expire_time:string", "id:string", "issue_time:string", "last_renewal:any", "renewable:bool", "ttl:number")
	r.want(t, false, "data", "renewable")
	r.want(t, 0, "data", "ttl")
	s.fails(t, tok, "PUT", "sys/leases/renew", lease, 400, "lease expired")
	wait(t, start, 1600*time.Millisecond)
	if ttl := s.ok(t, tok, "PUT", "sys/leases/lookup", lease).num("data", "ttl"); ttl > -1 || ttl < -3 {
		t.Errorf("ttl %d", ttl)
	}
	keys, _ := s.ok(t, s.RootToken, "LIST", "sys/leases/lookup/database/creds/sticky", nil).at("data", "keys").([]any)
	if _, key, _ := strings.Cut(r.str("data", "id"), "sticky/"); !slices.Contains(keys, any(key)) {
		t.Errorf("%s is not listed: %v", key, keys)
	}
}

// childIsRevoked: a lease ends with the token that it was made with, whoever
// that token's parent is; its parent's other leases don't.
func (s *suite) childIsRevoked(t *testing.T, tok string) {
	t.Helper()
	r, parentUser, _ := s.creds(t, tok, "database/creds/sticky")
	parents := map[string]any{"lease_id": r.str("lease_id")}
	child := s.ok(t, tok, "PUT", "auth/token/create", map[string]any{"renewable": true, "display_name": "generation"}).str("auth", "client_token")
	r, user, _ := s.creds(t, child, "database/creds/sticky")
	if !strings.HasPrefix(user, "v-token-gene-sticky-") {
		t.Errorf("the account is called %s", user)
	}
	lease := map[string]any{"lease_id": r.str("lease_id")}
	s.ok(t, tok, "PUT", "sys/leases/renew", lease) // the parent may, too
	s.sticky(t, true)
	s.ok(t, child, "PUT", "auth/token/revoke-self", nil)
	s.fails(t, child, "GET", "auth/token/lookup-self", nil, 403, invalidToken)
	s.ended(t, tok, lease)
	s.sticky(t, false)
	s.ok(t, s.RootToken, "PUT", "sys/leases/revoke", lease)
	if s.hasUser(t, user) || !s.hasUser(t, parentUser) {
		t.Error("the wrong account went")
	}
	s.ok(t, tok, "PUT", "sys/leases/lookup", parents).want(t, true, "data", "renewable")
	s.ok(t, s.RootToken, "PUT", "sys/leases/revoke", parents)
	r, user, _ = s.creds(t, s.newToken(t, map[string]any{"policies": []string{"some"}, "ttl": "2s"}), "database/creds/sticky")
	lease["lease_id"] = r.str("lease_id")
	eventually(t, "the account goes with its token, in time", func() bool { return !s.hasUser(t, user) })
	eventually(t, "and so does the lease", func() bool {
		return s.call(t, s.RootToken, "PUT", "sys/leases/lookup", lease).status == 400
	})
}

// cutAtCreation: the life of new credentials is cut at the role's maximum, and at
// the end of a batch token.
func (s *suite) cutAtCreation(t *testing.T) {
	s.ok(t, s.RootToken, "PUT", "database/roles/cut", map[string]any{
		"db_name": "mysql-database", "default_ttl": "50s", "max_ttl": "8s",
		"creation_statements": "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'",
	})
	r, _, _ := s.creds(t, s.RootToken, "database/creds/cut")
	r.want(t, 8, "lease_duration")
	r.warning(t, `TTL of "50s" exceeded the effective max_ttl of "8s"; TTL value is capped accordingly`)
	short := s.newToken(t, map[string]any{"policies": []string{"some"}, "ttl": "10s"})
	r, _, _ = s.creds(t, short, role)
	r.want(t, 60, "lease_duration") // longer than the token that ends it
	batch := s.newToken(t, map[string]any{"policies": []string{"some"}, "ttl": "10s", "type": "batch"})
	r, _, _ = s.creds(t, batch, role)
	if ttl := r.num("lease_duration"); ttl < 8 || ttl > 10 {
		t.Errorf("a lease of %d s under a batch token of 10 s", ttl)
	}
	r.want(t, true, "renewable")
}

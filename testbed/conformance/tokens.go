package conformance

import (
	"testing"
	"time"
)

func (s *suite) lookupSelf(t *testing.T, token string) reply {
	t.Helper()
	r := s.ok(t, token, "GET", "auth/token/lookup-self", nil)
	r.envelope(t)
	return r
}

// dead says whether the server knows the token no more.
func (s *suite) dead(t *testing.T, token string) bool {
	t.Helper()
	return s.call(t, token, "GET", "auth/token/lookup-self", nil).status == 403
}

var lookupFields = []string{
	"accessor:string", "creation_time:number", "creation_ttl:number", "display_name:string", "entity_id:string", "expire_time:any",
	"explicit_max_ttl:number", "id:string", "meta:any", "num_uses:number", "orphan:bool", "path:string", "policies:list",
	"ttl:number", "type:string",
}

func (s *suite) tokens(t *testing.T) {
	r := s.lookupSelf(t, s.RootToken)
	r.shape(t, []string{"data"}, lookupFields...)
	r.want(t, nil, "data", "expire_time")
	r.want(t, 0, "data", "ttl")
	s.fails(t, s.RootToken, "PUT", "auth/token/renew-self", nil, 400, "invalid lease ID")

	tok := s.newToken(t, map[string]any{"policies": []string{"some"}, "ttl": "90s", "meta": map[string]string{"a": "b"}})
	r = s.lookupSelf(t, tok)
	leased := append([]string{"issue_time:string", "renewable:bool"}, lookupFields...)
	r.shape(t, []string{"data"}, leased...)
	r.want(t, map[string]any{"a": "b"}, "data", "meta")
	r.want(t, "auth/token/create", "data", "path")
	r.want(t, 90, "data", "creation_ttl")
	r.want(t, []any{"default", "some"}, "data", "policies")
	r.want(t, false, "data", "orphan")
	if ttl := r.num("data", "ttl"); ttl < 85 || ttl > 90 {
		t.Errorf("ttl %d", ttl)
	}
	accessor := r.str("data", "accessor")
	s.ok(t, s.RootToken, "PUT", "auth/token/lookup", map[string]any{"token": tok}).want(t, tok, "data", "id")
	s.ok(t, s.RootToken, "PUT", "auth/token/lookup-accessor", map[string]any{"accessor": accessor}).want(t, "", "data", "id")
	s.fails(t, s.RootToken, "PUT", "auth/token/lookup", map[string]any{"token": "hvs.nope"}, 403, "bad token")
	s.fails(t, s.RootToken, "PUT", "auth/token/lookup-accessor", map[string]any{"accessor": "nope"}, 400,
		"1 error occurred:\n\t* invalid accessor\n\n")

	s.ok(t, s.RootToken, "PUT", "auth/token/revoke-accessor", map[string]any{"accessor": accessor})
	s.fails(t, tok, "GET", "auth/token/lookup-self", nil, 403, invalidToken)
	s.ok(t, s.RootToken, "PUT", "auth/token/revoke", map[string]any{"token": tok}) // again: no error
	s.fails(t, s.RootToken, "PUT", "auth/token/revoke", map[string]any{}, 400, "missing token ID")

	tok = s.newToken(t, map[string]any{"policies": []string{"default"}})
	s.ok(t, tok, "PUT", "auth/token/revoke-self", nil)
	s.fails(t, tok, "PUT", "auth/token/revoke-self", nil, 403, invalidToken)

	s.limitedUses(t)
	r = s.ok(t, s.RootToken, "PUT", "auth/token/create", map[string]any{"policies": []string{"missing"}, "ttl": "1m"})
	r.warning(t, `Policy "missing" does not exist`)
}

func (s *suite) limitedUses(t *testing.T) {
	t.Helper()
	tok := s.newToken(t, map[string]any{"policies": []string{"default"}, "num_uses": 2, "ttl": "1m"})
	s.lookupSelf(t, tok).want(t, 1, "data", "num_uses")
	s.lookupSelf(t, tok).want(t, -1, "data", "num_uses")
	s.fails(t, tok, "GET", "auth/token/lookup-self", nil, 403, invalidToken)
}

func (s *suite) renewSelf(t *testing.T, token, increment string) reply {
	t.Helper()
	r := s.ok(t, token, "PUT", "auth/token/renew-self", map[string]any{"increment": increment})
	r.envelope(t)
	return r
}

func (s *suite) tokenRenewal(t *testing.T) {
	start := time.Now()
	mortal := s.newToken(t, map[string]any{"policies": []string{"default"}, "ttl": "1s"})

	tok := s.newToken(t, map[string]any{"policies": []string{"default"}, "ttl": "60s", "explicit_max_ttl": "90s"})
	s.renewSelf(t, tok, "0").want(t, 60, "auth", "lease_duration")
	s.renewSelf(t, tok, "10s").want(t, 10, "auth", "lease_duration")
	wait(t, start, 2200*time.Millisecond)
	r := s.renewSelf(t, tok, "1000s")
	r.want(t, true, "auth", "renewable")
	left := r.num("auth", "lease_duration")
	if left < 85 || left > 88 {
		t.Errorf("renewal past the maximum: %d s, want what is left of 90 s after about 2 s", left)
	}
	r.warning(t, `TTL of "16m40s" exceeded the effective max_ttl of "`+(time.Duration(left)*time.Second).String()+`"; TTL value is capped accordingly`)
	s.lookupSelf(t, tok).shape(t, []string{"data"},
		append([]string{"issue_time:string", "renewable:bool", "last_renewal:string", "last_renewal_time:number"}, lookupFields...)...)

	r = s.ok(t, s.RootToken, "PUT", "auth/token/create", map[string]any{"policies": []string{"default"}, "ttl": "100s", "explicit_max_ttl": "90s"})
	r.want(t, 90, "auth", "lease_duration")
	r.warning(t, `TTL of "1m40s" exceeded the effective max_ttl of "1m30s"; TTL value is capped accordingly`)

	tok = s.newToken(t, map[string]any{"policies": []string{"default"}, "period": "60s"})
	s.renewSelf(t, tok, "1000s").want(t, 60, "auth", "lease_duration")
	s.lookupSelf(t, tok).want(t, 60, "data", "period")

	tok = s.newToken(t, map[string]any{"policies": []string{"default"}, "ttl": "60s", "renewable": false})
	s.fails(t, tok, "PUT", "auth/token/renew-self", nil, 400, "lease is not renewable")
	s.fails(t, s.RootToken, "PUT", "auth/token/renew", map[string]any{"token": "hvs.nope"}, 400, "token not found")

	eventually(t, "a token of 1 s ends", func() bool { return s.dead(t, mortal) })
	s.fails(t, mortal, "PUT", "auth/token/renew-self", nil, 403, invalidToken)
	s.loginTokenCap(t)
}

// loginTokenCap checks token_max_ttl of a role.
func (s *suite) loginTokenCap(t *testing.T) {
	t.Helper()
	rid, sid := s.ids(t, nil)
	tok := s.ok(t, "", "PUT", "auth/approle/login", credentials(rid, sid)).str("auth", "client_token")
	s.renewSelf(t, tok, "0").want(t, 20, "auth", "lease_duration")
	r := s.renewSelf(t, tok, "100s")
	if d := r.num("auth", "lease_duration"); d < 38 || d > 40 {
		t.Errorf("renewal of a login past token_max_ttl: %d s", d)
	}
	r.want(t, map[string]any{"role_name": "conformance"}, "auth", "metadata")
}

func (s *suite) childTokens(t *testing.T) {
	parent := s.newToken(t, map[string]any{"policies": []string{"some"}, "ttl": "10m"})
	child := s.ok(t, parent, "PUT", "auth/token/create", map[string]any{"ttl": "5m"}).str("auth", "client_token")
	grandchild := s.ok(t, child, "PUT", "auth/token/create", map[string]any{"ttl": "5m"}).str("auth", "client_token")
	s.lookupSelf(t, grandchild).want(t, []any{"default", "some"}, "data", "policies")
	orphan := s.newToken(t, map[string]any{"policies": []string{"some"}, "ttl": "5m", "no_parent": true})
	s.lookupSelf(t, orphan).want(t, true, "data", "orphan")
	s.ok(t, s.RootToken, "PUT", "auth/token/revoke", map[string]any{"token": parent})
	for name, tok := range map[string]string{"child": child, "grandchild": grandchild} {
		eventually(t, "the "+name+" ends with its parent", func() bool { return s.dead(t, tok) })
	}
	if s.dead(t, orphan) {
		t.Error("the orphan died")
	}
}

// childLimits checks what a token must not ask for when it makes another one.
func (s *suite) childLimits(t *testing.T) {
	const create, need = "auth/token/create", "root or sudo privileges required to "
	parent := s.newToken(t, map[string]any{"policies": []string{"some"}, "ttl": "10m"})
	for text, params := range map[string]map[string]any{
		"child policies must be subset of parent": {"policies": []string{"other"}},
		need + "create orphan token":              {"no_parent": true},
		need + "create periodic token":            {"period": "30s"},
		need + "specify token id":                 {"id": "x"},
	} {
		s.fails(t, parent, "PUT", create, params, 400, text)
	}
	s.ok(t, parent, "PUT", create, map[string]any{"ttl": "10h"}).want(t, 36000, "auth", "lease_duration") // outlives its parent, on paper
	r := s.ok(t, parent, "PUT", create, map[string]any{"renewable": true, "display_name": "generation"})
	r.want(t, 604800, "auth", "lease_duration")
	s.lookupSelf(t, r.str("auth", "client_token")).want(t, "token-generation", "data", "display_name")

	batch := s.newToken(t, map[string]any{"policies": []string{"some"}, "ttl": "1m", "type": "batch"})
	s.fails(t, batch, "PUT", create, nil, 400, "batch tokens cannot create more tokens")
	s.fails(t, batch, "PUT", "auth/token/renew-self", nil, 400, "batch tokens cannot be renewed")
	s.fails(t, batch, "PUT", "auth/token/revoke-self", nil, 400, "batch tokens cannot be revoked")
	s.fails(t, s.RootToken, "PUT", "auth/token/revoke", map[string]any{"token": batch}, 400, "batch tokens cannot be revoked")
	counted := s.newToken(t, map[string]any{"policies": []string{"some"}, "ttl": "1m", "num_uses": 5})
	s.fails(t, counted, "PUT", create, nil, 400, "restricted use token cannot generate child tokens")
}

// explicitMax checks a role's other two ways to limit a login.
func (s *suite) explicitMax(t *testing.T) {
	const path = "auth/approle/role/limited"
	login := func(params map[string]any) string {
		t.Helper()
		s.ok(t, s.RootToken, "POST", path, params)
		rid := s.ok(t, s.RootToken, "GET", path+"/role-id", nil).str("data", "role_id")
		sid := s.ok(t, s.RootToken, "PUT", path+"/secret-id", nil).str("data", "secret_id")
		return s.ok(t, "", "PUT", "auth/approle/login", credentials(rid, sid)).str("auth", "client_token")
	}
	tok := login(map[string]any{"token_policies": "some", "token_ttl": "20s", "token_explicit_max_ttl": "30s"})
	r := s.lookupSelf(t, tok)
	r.want(t, 30, "data", "explicit_max_ttl")
	r.want(t, 20, "data", "creation_ttl")
	r.want(t, true, "data", "orphan")
	if left := s.renewSelf(t, tok, "100s").num("auth", "lease_duration"); left < 29 || left > 30 {
		t.Errorf("renewed to %d s of at most 30 s", left)
	}
	child := s.ok(t, tok, "PUT", "auth/token/create", nil)
	child.want(t, r.str("data", "entity_id"), "auth", "entity_id")

	tok = login(map[string]any{"token_policies": "some", "token_ttl": "20s", "token_explicit_max_ttl": "0", "token_period": "15s"})
	s.lookupSelf(t, tok).want(t, 15, "data", "period")
	s.renewSelf(t, tok, "100s").want(t, 15, "auth", "lease_duration")
	s.ok(t, s.RootToken, "DELETE", path, nil)
}

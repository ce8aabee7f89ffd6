package conformance

import (
	"testing"
	"time"
)

func (s *suite) kv1(t *testing.T) {
	root := s.RootToken
	s.fails(t, root, "GET", "kv1/missing", nil, 404)
	s.ok(t, root, "PUT", "kv1/a/b", map[string]any{"x": 1, "list": []int{1, 2}})
	r := s.ok(t, root, "GET", "kv1/a/b", nil)
	r.envelope(t)
	r.want(t, 604800, "lease_duration")
	r.want(t, "", "lease_id")
	r.want(t, false, "renewable")
	r.want(t, "kv", "mount_type")
	r.want(t, map[string]any{"x": 1.0, "list": []any{1.0, 2.0}}, "data")
	s.ok(t, root, "PUT", "kv1/c", map[string]any{"x": "y", "ttl": "30s"})
	s.ok(t, root, "GET", "kv1/c", nil).want(t, 30, "lease_duration")
	for _, path := range []string{"kv1", "kv1/"} {
		s.ok(t, root, "LIST", path, nil).want(t, []any{"a/", "c"}, "data", "keys")
	}
	s.ok(t, root, "GET", "kv1/a?list=true", nil).want(t, []any{"b"}, "data", "keys")
	s.fails(t, root, "LIST", "kv1/none", nil, 404)
	s.fails(t, root, "PUT", "kv1/e", map[string]any{}, 400, "missing data fields")
	s.ok(t, root, "DELETE", "kv1/c", nil)
	s.ok(t, root, "DELETE", "kv1/c", nil)
	s.fails(t, root, "GET", "kv1/c", nil, 404)
}

var kv2Meta = []string{"created_time:string", "custom_metadata:null", "deletion_time:string", "destroyed:bool", "version:number"}

func (s *suite) kv2(t *testing.T) {
	root := s.RootToken
	s.fails(t, root, "GET", "secret/data/a", nil, 404)
	s.fails(t, root, "GET", "secret/metadata/a", nil, 404)
	s.fails(t, root, "LIST", "secret/metadata", nil, 404)
	r := s.ok(t, root, "POST", "secret/data/a", map[string]any{"data": map[string]any{"k": "v", "n": 1}})
	r.envelope(t)
	r.shape(t, []string{"data"}, kv2Meta...)
	s.ok(t, root, "POST", "secret/data/a", map[string]any{"data": map[string]any{"k": "v2"}, "options": map[string]any{"cas": 1}})
	s.fails(t, root, "POST", "secret/data/a", map[string]any{"data": map[string]any{}, "options": map[string]any{"cas": 1}}, 400,
		"check-and-set parameter did not match the current version")
	s.fails(t, root, "POST", "secret/data/a", map[string]any{"k": "v"}, 400, "no data provided")

	r = s.ok(t, root, "GET", "secret/data/a", nil)
	r.envelope(t)
	r.want(t, 0, "lease_duration")
	r.want(t, map[string]any{"k": "v2"}, "data", "data")
	r.want(t, 2, "data", "metadata", "version")
	r.shape(t, []string{"data", "metadata"}, kv2Meta...)
	s.ok(t, root, "GET", "secret/data/a?version=1", nil).want(t, map[string]any{"k": "v", "n": 1.0}, "data", "data")
	s.fails(t, root, "GET", "secret/data/a?version=9", nil, 404)
	s.ok(t, root, "LIST", "secret/metadata/", nil).want(t, []any{"a"}, "data", "keys")

	r = s.ok(t, root, "GET", "secret/metadata/a", nil)
	r.want(t, 2, "data", "current_version")
	r.want(t, "", "data", "versions", "1", "deletion_time")
	s.kv2Deleted(t)
	s.kv2WrongPaths(t)
}

// kv2Deleted: a deleted or destroyed version is a 404 with data.
func (s *suite) kv2Deleted(t *testing.T) {
	t.Helper()
	root := s.RootToken
	gone := func(path string, destroyed bool) {
		t.Helper()
		r := s.call(t, root, "GET", path, nil)
		if r.status != 404 {
			t.Errorf("%s: %d", path, r.status)
		}
		r.envelope(t)
		r.want(t, nil, "data", "data")
		r.want(t, destroyed, "data", "metadata", "destroyed")
		if r.str("data", "metadata", "deletion_time") == "" {
			t.Errorf("%s has no deletion_time", path)
		}
	}
	s.ok(t, root, "DELETE", "secret/data/a", nil)
	gone("secret/data/a", false)
	s.ok(t, root, "POST", "secret/undelete/a", map[string]any{"versions": []int{2}})
	s.ok(t, root, "GET", "secret/data/a", nil).want(t, "", "data", "metadata", "deletion_time")
	s.ok(t, root, "POST", "secret/delete/a", map[string]any{"versions": []int{1}})
	gone("secret/data/a?version=1", false)
	s.ok(t, root, "POST", "secret/destroy/a", map[string]any{"versions": []int{1}})
	gone("secret/data/a?version=1", true)
	s.ok(t, root, "DELETE", "secret/metadata/a", nil)
	s.fails(t, root, "GET", "secret/data/a", nil, 404)
}

func (s *suite) kv2WrongPaths(t *testing.T) {
	t.Helper()
	for _, c := range [][3]string{{"GET", "secret/a", "get"}, {"LIST", "secret/data", "list"}} {
		r := s.call(t, s.RootToken, c[0], c[1], nil)
		if r.status != 404 {
			t.Errorf("%s %s: %d", c[0], c[1], r.status)
		}
		r.warning(t, "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. "+
			"If using the Vault CLI, use 'vault kv "+c[2]+"' for this operation.")
	}
}

func (s *suite) cubbyhole(t *testing.T) {
	a := s.newToken(t, map[string]any{"policies": []string{"default"}})
	b := s.newToken(t, map[string]any{"policies": []string{"default"}})
	s.fails(t, a, "GET", "cubbyhole/x", nil, 404)
	s.ok(t, a, "PUT", "cubbyhole/x", map[string]any{"v": "canary-cubby"})
	s.ok(t, a, "GET", "cubbyhole/x", nil).want(t, "canary-cubby", "data", "v")
	s.fails(t, b, "GET", "cubbyhole/x", nil, 404)
	s.ok(t, a, "LIST", "cubbyhole/", nil).want(t, []any{"x"}, "data", "keys")
}

const notWrapped = "wrapping token is not valid or does not exist"

// wrapped makes a request whose answer comes wrapped, and returns its token.
func (s *suite) wrapped(t *testing.T, token, method, path string, body any) string {
	t.Helper()
	r := s.ok(t, token, method, path, body, "X-Vault-Wrap-TTL", "60s")
	r.envelope(t)
	r.want(t, nil, "data")
	r.want(t, nil, "auth")
	r.want(t, 60, "wrap_info", "ttl")
	r.want(t, path, "wrap_info", "creation_path")
	return r.str("wrap_info", "token")
}

func (s *suite) wrapping(t *testing.T) {
	root := s.RootToken
	s.fails(t, root, "PUT", "sys/wrapping/wrap", map[string]any{"a": "b"}, 400, "endpoint requires response wrapping to be used")

	w := s.wrapped(t, root, "PUT", "sys/wrapping/wrap", map[string]any{"a": "b"})
	for _, tok := range []string{"", root} {
		r := s.ok(t, tok, "PUT", "sys/wrapping/lookup", map[string]any{"token": w})
		r.shape(t, []string{"data"}, "creation_path:string", "creation_time:string", "creation_ttl:number")
		r.want(t, "sys/wrapping/wrap", "data", "creation_path")
	}
	s.ok(t, w, "GET", "sys/wrapping/lookup", nil) // does not use it up
	s.ok(t, w, "PUT", "sys/wrapping/unwrap", nil).want(t, map[string]any{"a": "b"}, "data")
	s.fails(t, w, "PUT", "sys/wrapping/unwrap", nil, 400, notWrapped)
	s.fails(t, root, "PUT", "sys/wrapping/unwrap", map[string]any{"token": w}, 400, notWrapped)
	s.fails(t, root, "PUT", "sys/wrapping/lookup", map[string]any{"token": w}, 400, notWrapped)

	w = s.wrapped(t, root, "PUT", "sys/wrapping/wrap", map[string]any{"a": "b"})
	s.fails(t, "", "PUT", "sys/wrapping/unwrap", map[string]any{"token": w}, 403, "permission denied")
	s.ok(t, root, "PUT", "sys/wrapping/unwrap", map[string]any{"token": w}).want(t, "b", "data", "a")

	w = s.wrapped(t, root, "PUT", "sys/wrapping/wrap", map[string]any{"a": "b"})
	s.fails(t, w, "GET", "auth/token/lookup-self", nil, 403, denied) // and that was its one use
	s.fails(t, w, "PUT", "sys/wrapping/unwrap", nil, 400, notWrapped)

	w = s.wrapped(t, root, "PUT", appRole+"/secret-id", nil)
	if s.ok(t, w, "PUT", "sys/wrapping/unwrap", nil).str("data", "secret_id") == "" {
		t.Error("no secret_id inside")
	}
	rid, sid := s.ids(t, nil)
	r := s.ok(t, "", "PUT", "auth/approle/login", credentials(rid, sid), "X-Vault-Wrap-TTL", "60")
	r.shape(t, []string{"wrap_info"}, "token:string", "accessor:string", "ttl:number", "creation_time:string",
		"creation_path:string", "wrapped_accessor:string")
	tok := s.ok(t, r.str("wrap_info", "token"), "PUT", "sys/wrapping/unwrap", nil).str("auth", "client_token")
	s.lookupSelf(t, tok)

	if r := s.call(t, root, "GET", "kv1/missing", nil, "X-Vault-Wrap-TTL", "60"); r.status != 404 {
		t.Errorf("wrapping of a missing secret: %d", r.status)
	}
	r = s.ok(t, root, "PUT", "sys/wrapping/wrap", map[string]any{"a": 1}, "X-Vault-Wrap-TTL", "1s")
	short := r.str("wrap_info", "token")
	wait(t, time.Now(), 1500*time.Millisecond)
	eventually(t, "a wrapping token of 1 s ends", func() bool {
		return s.call(t, "", "PUT", "sys/wrapping/lookup", map[string]any{"token": short}).status == 400
	})
}

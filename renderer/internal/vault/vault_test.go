package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/lease"
)

// answer is a RoundTripper that answers as a function says.
type answer func(*http.Request) (status int, body string)

func (f answer) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	status, body := f(r)
	return reply(r, status, http.Header{}, body), nil
}

// RoundTripFunc is a RoundTripper with all its freedom.
type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func reply(r *http.Request, status int, h http.Header, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: fmt.Sprint(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1, Request: r,
	}
}

func session(t *testing.T, rt http.RoundTripper, o Options) *Session {
	t.Helper()
	o.Address, o.Transport = "http://vault", rt
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c.With(NewToken("canary-token"), 1)
}

// isMount says whether the request looks up a mount.
func isMount(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/v1/sys/internal/ui/mounts/")
}

func errorsBody(texts ...string) string {
	b, _ := json.Marshal(map[string]any{"errors": texts})
	return string(b)
}

func TestClasses(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   Class
	}{
		{503, errorsBody("Vault is sealed"), Sealed},
		{503, errorsBody("Vault is sealed", "x"), Sealed},
		{503, errorsBody("no healthy upstream"), Transient},
		{503, "<html>", Transient},
		{500, errorsBody("internal error"), Transient},
		{502, "", Transient},
		{504, "", Transient},
		{429, errorsBody("rate limited"), Transient},
		{412, errorsBody("required index state not present"), Transient},
		{472, "", Transient},
		{473, "", Transient},
		{403, errorsBody("permission denied"), Denied},
		{403, errorsBody("1 error occurred:\n\t* permission denied\n\n"), Denied},
		{403, errorsBody("2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"), InvalidToken},
		{403, errorsBody("bad token"), InvalidToken},
		{403, errorsBody("missing client token"), InvalidToken},
		{404, errorsBody(), NotFound},
		{404, errorsBody("no handler for route"), NotFound},
		{400, errorsBody("lease not found"), LeaseGone},
		{400, errorsBody("invalid lease"), LeaseGone},
		{400, errorsBody("lease expired"), LeaseGone},
		{400, errorsBody("lease is not renewable"), LeaseGone},
		{400, errorsBody("missing role_id"), Invalid},
		{405, "", Invalid},
	} {
		s := session(t, answer(func(*http.Request) (int, string) { return c.status, c.body }), Options{})
		err := s.LookupSelf(t.Context())
		var ve *Error
		if !errors.As(err, &ve) || ve.Class != c.want || ve.Status != c.status || ClassOf(err) != c.want {
			t.Errorf("%d %s: %v (%v), want %v", c.status, c.body, ClassOf(err), err, c.want)
			continue
		}
		if want := c.want == Transient || c.want == Sealed; ve.Temporary() != want {
			t.Errorf("%v: temporary %v", err, ve.Temporary())
		}
		if !strings.HasPrefix(err.Error(), "look up the token at auth/token/lookup-self: ") || strings.Contains(err.Error(), "occurred") {
			t.Errorf("text %q", err)
		}
	}
	if ClassOf(errors.New("x")) != Transient {
		t.Error("an error that is not Vault's")
	}
	for c := Transient; c <= Invalid; c++ {
		if c.String() == "" {
			t.Errorf("class %d has no name", c)
		}
	}
}

func TestNetworkErrors(t *testing.T) {
	cause := errors.New("connection reset")
	s := session(t, roundTripFunc(func(*http.Request) (*http.Response, error) { return nil, cause }), Options{})
	err := s.LookupSelf(t.Context())
	if ClassOf(err) != Transient || !strings.HasSuffix(err.Error(), ": connection reset") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.LookupSelf(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// A server that never answers is given up after the client's time limit, and
// then counts as away.
func TestTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := session(t, roundTripFunc(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}), Options{})
		start := time.Now()
		err := s.LookupSelf(t.Context())
		if ClassOf(err) != Transient || !strings.Contains(err.Error(), "no answer in time") || time.Since(start) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestRetryAfter(t *testing.T) {
	for h, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-1": 0, "0": 0, "soon": 0, "Fri, 02 Jan 2026 03:04:05 GMT": 0,
	} {
		s := session(t, roundTripFunc(func(r *http.Request) (*http.Response, error) {
			return reply(r, 429, http.Header{"Retry-After": {h}}, errorsBody("slow down")), nil
		}), Options{})
		if got := RetryAfter(s.LookupSelf(t.Context())); got != want {
			t.Errorf("%q: %v, want %v", h, got, want)
		}
	}
	if RetryAfter(errors.New("x")) != 0 {
		t.Error("an error that is not Vault's")
	}
}

// broken is a body that ends with an error.
type broken struct{ r io.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
func (broken) Close() error { return nil }

// Answers that make no sense are worth another try, are no panic, and are
// never quoted: they may hold half a secret.
func TestBrokenAnswers(t *testing.T) {
	for name, body := range map[string]string{
		"half":  `{"data":{"password":"canary-half`,
		"html":  `<html>canary-html</html>`,
		"array": `["canary-array"]`,
		"type":  `{"lease_duration":"canary-type"}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := session(t, answer(func(*http.Request) (int, string) { return 200, body }), Options{})
			_, err := s.Fetch(t.Context(), Request{Method: MethodRead, Path: "kv/a"})
			if ClassOf(err) != Transient || err == nil {
				t.Errorf("%v", err)
			}
			if strings.Contains(fmt.Sprint(err), "canary-") {
				t.Errorf("quoted: %v", err)
			}
		})
	}
	t.Run("broken off", func(t *testing.T) {
		s := session(t, roundTripFunc(func(r *http.Request) (*http.Response, error) {
			resp := reply(r, 200, http.Header{}, "")
			resp.Body = broken{strings.NewReader(`{"data":{"password":"canary-half"`)}
			return resp, nil
		}), Options{})
		err := s.LookupSelf(t.Context())
		if ClassOf(err) != Transient || !strings.Contains(err.Error(), "broke off") {
			t.Errorf("%v", err)
		}
	})
	t.Run("empty", func(t *testing.T) {
		s := session(t, answer(func(*http.Request) (int, string) { return 200, " \n" }), Options{})
		if _, err := s.Fetch(t.Context(), Request{Method: MethodRead, Path: "kv/a"}); ClassOf(err) != NotFound || err == nil {
			t.Errorf("read: %v", err)
		}
		if _, err := s.RenewSelf(t.Context()); ClassOf(err) != Transient || err == nil {
			t.Errorf("renew: %v", err)
		}
		if _, err := s.RenewLease(t.Context(), lease.Lease{ID: "a/b"}, time.Minute); ClassOf(err) != Transient || err == nil {
			t.Errorf("renew lease: %v", err)
		}
		if _, err := s.c.Login(t.Context(), "auth/approle/login", nil); ClassOf(err) != Invalid {
			t.Errorf("login: %v", err)
		}
	})
	t.Run("KV 2 deleted", func(t *testing.T) {
		s := session(t, answer(func(r *http.Request) (int, string) {
			if isMount(r) {
				return 200, mountBody("kv/", "2")
			}
			return 404, `{"data":{"data":null,"metadata":{"deletion_time":"2026-01-01T00:00:00Z"}}}`
		}), Options{})
		if _, err := s.Fetch(t.Context(), Request{Method: MethodRead, Path: "kv/a"}); ClassOf(err) != NotFound || err == nil {
			t.Errorf("%v", err)
		}
	})
}

func mountBody(path, version string) string {
	return fmt.Sprintf(`{"data":{"path":%q,"type":"kv","options":{"version":%q}}}`, path, version)
}

// A lease's unguessable part is not in an error.
func TestLeaseIDIsNotInErrors(t *testing.T) {
	s := session(t, answer(func(*http.Request) (int, string) { return 403, errorsBody("permission denied") }), Options{})
	l := lease.Lease{ID: "database/creds/app/canary-id"}
	_, renew := s.RenewLease(t.Context(), l, time.Minute)
	_, lookup := s.LookupLease(t.Context(), l)
	for _, err := range []error{renew, lookup} {
		if err == nil || strings.Contains(err.Error(), "canary-id") || !strings.Contains(err.Error(), "database/creds/app") {
			t.Errorf("%v", err)
		}
	}
}

// KV paths are rewritten for version 2 mounts, as consul-template does.
func TestPaths(t *testing.T) {
	type c struct{ mount, version, method, path, want string }
	for _, c := range []c{
		{"kv/", "2", MethodRead, "kv/app/a", "/v1/kv/data/app/a"},
		{"kv/", "2", MethodRead, "kv/data/app/a", "/v1/kv/data/app/a"},
		{"kv/", "2", MethodRead, "kv/metadata/app/a", "/v1/kv/metadata/app/a"},
		{"kv/", "2", MethodRead, "kv/subkeys/app/a", "/v1/kv/subkeys/app/a"},
		{"kv/", "2", MethodRead, "kv/database/a", "/v1/kv/data/database/a"}, // "data" is no more than a beginning
		{"kv/", "2", MethodRead, "kv/app/a?version=3", "/v1/kv/data/app/a?version=3"},
		{"kv/", "2", MethodRead, "kv/data/app/a?version=3", "/v1/kv/data/app/a?version=3"},
		{"kv/", "2", MethodRead, "kv/app/a/?version=3", "/v1/kv/data/app/a?version=3"},
		{"kv/", "2", MethodRead, "kv", "/v1/kv/data"},
		{"team/x/kv/", "2", MethodRead, "team/x/kv/app/a", "/v1/team/x/kv/data/app/a"},
		{"team/x/kv/", "2", MethodRead, "team/x/kv/data/a", "/v1/team/x/kv/data/a"},
		{"kv/", "2", MethodWrite, "kv/app/a", "/v1/kv/data/app/a"},
		{"kv/", "2", MethodList, "kv/app", "/v1/kv/metadata/app?list=true"},
		{"kv/", "2", MethodList, "kv/metadata/app", "/v1/kv/metadata/app?list=true"},
		{"kv/", "2", MethodList, "kv", "/v1/kv/metadata?list=true"},
		{"kv/", "1", MethodRead, "kv/app/a", "/v1/kv/app/a"},
		{"kv/", "1", MethodList, "kv/app", "/v1/kv/app?list=true"},
		{"kv/", "", MethodRead, "kv/app/a", "/v1/kv/app/a"},
		{"database/", "", MethodRead, "database/creds/app", "/v1/database/creds/app"},
		{"ns/kv/", "2", MethodRead, "kv/app/a", "/v1/kv/data/app/a"}, // named from the root, asked for in a namespace
		{"other/", "2", MethodRead, "kv/app/a", "/v1/kv/app/a"},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			var got string
			s := session(t, answer(func(r *http.Request) (int, string) {
				if isMount(r) {
					return 200, mountBody(c.mount, c.version)
				}
				got = r.URL.RequestURI()
				return 200, `{"data":{"data":{"k":"canary-v"},"keys":["b","a"]}}`
			}), Options{})
			sec, err := s.Fetch(t.Context(), Request{Method: c.method, Path: c.path})
			if err != nil || got != c.want {
				t.Fatalf("asked for %s, want %s (%v)", got, c.want, err)
			}
			if c.method == MethodList && fmt.Sprint(sec.Keys) != "[a b]" {
				t.Errorf("keys %v", sec.Keys)
			}
		})
	}
}

// Mounts that nobody may see are no failure: the path goes as it is.
func TestMountNotSeen(t *testing.T) {
	for _, status := range []int{400, 403, 404} {
		s := session(t, answer(func(r *http.Request) (int, string) {
			if isMount(r) {
				return status, errorsBody("preflight capability check returned 403, please ensure client's policies grant access to path")
			}
			if r.URL.Path != "/v1/kv/data/a" {
				return 404, errorsBody()
			}
			return 200, `{"data":{"data":{"k":"canary-v"}}}`
		}), Options{})
		if _, err := s.Fetch(t.Context(), Request{Method: MethodRead, Path: "kv/data/a"}); err != nil {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// A mount is looked up once, however many ask at the same time.
func TestMountIsLookedUpOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lookups, reads atomic.Int64
		s := session(t, answer(func(r *http.Request) (int, string) {
			if isMount(r) {
				lookups.Add(1)
				time.Sleep(time.Second)
				return 200, mountBody("kv/", "2")
			}
			reads.Add(1)
			return 200, `{"data":{"data":{"k":"canary-v"}}}`
		}), Options{MaxConnections: 50})
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				if _, err := s.Fetch(t.Context(), Request{Method: MethodRead, Path: fmt.Sprint("kv/app/", i)}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		// Another session of the same client knows it too.
		if _, err := s.c.With(NewToken("canary-2"), 2).Fetch(t.Context(), Request{Method: MethodRead, Path: "kv/x"}); err != nil {
			t.Error(err)
		}
		if lookups.Load() != 1 || reads.Load() != 51 {
			t.Errorf("%d look-ups, %d reads", lookups.Load(), reads.Load())
		}
	})
}

// A failed look-up is not remembered, and waiting for somebody else's ends
// with the context.
func TestMountErrorsAreNotCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lookups atomic.Int64
		s := session(t, answer(func(r *http.Request) (int, string) {
			switch {
			case isMount(r) && lookups.Add(1) <= 2:
				time.Sleep(time.Second)
				return 500, errorsBody("storage")
			case isMount(r):
				return 200, mountBody("kv/", "2")
			case r.URL.Path != "/v1/kv/data/a":
				return 404, errorsBody()
			}
			return 200, `{"data":{"data":{"k":"canary-v"}}}`
		}), Options{})
		ask := func(ctx context.Context) error {
			_, err := s.Fetch(ctx, Request{Method: MethodRead, Path: "kv/a"})
			return err
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := ask(t.Context()); ClassOf(err) != Transient || err == nil {
				t.Errorf("first: %v", err)
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if err := ask(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting: %v", err)
		}
		wg.Wait()
		if err := ask(t.Context()); ClassOf(err) != Transient || err == nil {
			t.Errorf("second: %v", err)
		}
		if err := ask(t.Context()); err != nil {
			t.Errorf("third: %v", err)
		}
	})
}

// At most MaxConnections fetches run at once; renewals and logins go beside
// them, and waiting for a turn ends with the context.
func TestConcurrencyLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		s := session(t, answer(func(r *http.Request) (int, string) {
			if isMount(r) {
				return 200, mountBody("kv/", "1")
			}
			if strings.HasSuffix(r.URL.Path, "-self") {
				return 200, `{"data":{}}`
			}
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(10 * time.Second)
			now.Add(-1)
			return 200, `{"data":{"k":"canary-v"}}`
		}), Options{MaxConnections: 3})
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 9 {
			wg.Go(func() {
				if _, err := s.Fetch(t.Context(), Request{Method: MethodRead, Path: fmt.Sprint("kv/", i)}); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Second)
		if err := s.LookupSelf(t.Context()); err != nil || time.Since(start) != time.Second {
			t.Errorf("the token's look-up waited: %v", time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Fetch(ctx, Request{Method: MethodRead, Path: "kv/x"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for a turn: %v", err)
		}
		wg.Wait()
		if most.Load() != 3 || time.Since(start) != 30*time.Second {
			t.Errorf("%d at once, %v", most.Load(), time.Since(start))
		}
	})
}

// Nothing that prints, logs or marshals shows what is in Data or Token, at
// whatever depth, behind a pointer, by whatever verb.
func TestRedaction(t *testing.T) {
	type deep struct {
		Secret  *Secret
		Token   Token
		Pointer *Token
		Data    Data
		Any     any
		List    []*Data
		Map     map[string]Token
	}
	data, token := NewData(map[string]any{"password": "canary-data", "n": map[string]any{"x": "canary-nested"}}), NewToken("canary-token")
	d := deep{
		Secret: &Secret{Data: data, Auth: &Auth{ClientToken: token}, WrapInfo: &WrapInfo{Token: token}},
		Token:  token, Pointer: &token, Data: data, Any: &data, List: []*Data{&data}, Map: map[string]Token{"a": token},
	}
	var out bytes.Buffer
	for _, v := range []any{d, &d, data, &data, token, &token, d.Secret, *d.Secret, d.Secret.Auth, []any{d}, map[string]any{"x": &d}, fmt.Errorf("x: %v", data)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%!", "%t", "%p", "%T", "%5.2f"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		fmt.Fprintln(&out, v)
		b, err := json.Marshal(v)
		out.Write(b)
		fmt.Fprintln(&out, err)
		options := &slog.HandlerOptions{Level: slog.LevelDebug - 4}
		slog.New(slog.NewJSONHandler(&out, options)).Info("x", "v", v, "g", slog.GroupValue(slog.Any("v", v)))
		slog.New(slog.NewTextHandler(&out, options)).Info("x", "v", v, "g", slog.GroupValue(slog.Any("v", v)))
	}
	for _, value := range []string{"canary-", fmt.Sprintf("%x", "canary-"), fmt.Sprintf("%X", "canary-")} {
		if i := strings.Index(out.String(), value); i >= 0 {
			t.Errorf("shown: %s", out.String()[max(0, i-200):i+40])
		}
	}
	if !strings.Contains(out.String(), redacted) {
		t.Error("nothing is redacted")
	}
	if data.Unwrap()["password"] != "canary-data" || token.Reveal() != "canary-token" {
		t.Error("the values are gone")
	}
	if (Data{}).Unwrap() != nil || !(Token{}).Empty() || (Token{}).Equal(token) || !token.Equal(NewToken("canary-token")) {
		t.Error("the zero values")
	}
}

// The environment wins over the options.
func TestEnvironment(t *testing.T) {
	for _, c := range []struct {
		name                 string
		env                  map[string]string
		o                    Options
		addr, read, authenth string
	}{
		{name: "nothing", addr: "https://127.0.0.1:8200"},
		{name: "options", o: Options{Address: "http://file:1", Namespace: "f"}, addr: "http://file:1", read: "f", authenth: "f"},
		{name: "own namespaces", o: Options{Namespace: "r", AuthNamespace: "a"}, addr: "https://127.0.0.1:8200", read: "r", authenth: "a"},
		{name: "login's only", o: Options{AuthNamespace: "a"}, addr: "https://127.0.0.1:8200", read: "a", authenth: "a"},
		{
			name: "environment", env: map[string]string{"VAULT_ADDR": "http://env:2", "VAULT_NAMESPACE": "e"},
			o: Options{Address: "http://file:1", Namespace: "f", AuthNamespace: "a"}, addr: "http://env:2", read: "e", authenth: "e",
		},
		{name: "empty namespace", env: map[string]string{"VAULT_NAMESPACE": ""}, o: Options{Address: "http://file:1", Namespace: "f"}, addr: "http://file:1", read: "f", authenth: "f"},
		{
			name: "VAULT_AGENT_ADDR", env: map[string]string{"VAULT_AGENT_ADDR": "http://agent:3", "VAULT_ADDR": "http://env:2"},
			o: Options{Address: "http://file:1"}, addr: "http://agent:3",
		},
		{name: "no token from outside", env: map[string]string{"VAULT_TOKEN": "canary-env"}, o: Options{Address: "http://file:1"}, addr: "http://file:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			type ask struct{ host, namespace, token string }
			var asked []ask
			c.o.Transport = answer(func(r *http.Request) (int, string) {
				asked = append(asked, ask{r.URL.Scheme + "://" + r.URL.Host, r.Header.Get("X-Vault-Namespace"), r.Header.Get("X-Vault-Token")})
				return 200, `{"data":{"k":"v","ttl":60},"auth":{"client_token":"canary-new"}}`
			})
			client, err := New(c.o)
			if err != nil {
				t.Fatal(err)
			}
			if client.Address() != c.addr {
				t.Errorf("address %s", client.Address())
			}
			if _, err := client.Login(t.Context(), "auth/approle/login", map[string]any{}); err != nil {
				t.Error(err)
			}
			if _, err := client.With(NewToken("canary-own"), 1).LookupLease(t.Context(), lease.Lease{ID: "x"}); err != nil {
				t.Error(err)
			}
			want := []ask{{c.addr, c.authenth, ""}, {c.addr, c.read, "canary-own"}}
			if fmt.Sprint(asked) != fmt.Sprint(want) {
				t.Errorf("asked %v, want %v", asked, want)
			}
		})
	}
}

func TestOptionErrors(t *testing.T) {
	for name, c := range map[string]struct {
		env map[string]string
		o   Options
	}{
		"address":     {o: Options{Address: "http://a b:%zz"}},
		"ca":          {o: Options{CACert: "/does/not/exist"}},
		"environment": {env: map[string]string{"VAULT_CLIENT_TIMEOUT": "5 parsecs"}},
	} {
		t.Run(name, func(t *testing.T) {
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			if _, err := New(c.o); err == nil || !strings.HasPrefix(err.Error(), "vault ") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestRequestNames(t *testing.T) {
	for want, r := range map[string]Request{
		"a/b":       {Method: MethodRead, Path: "a/b"},
		"list a/b":  {Method: MethodList, Path: "a/b"},
		"write a/b": {Method: MethodWrite, Path: "a/b", Params: `{"x":"canary-param"}`},
	} {
		if r.String() != want {
			t.Errorf("%q, want %q", r, want)
		}
	}
	if _, q := splitQuery(Request{Method: MethodRead, Path: "a?%zz=1"}); len(q) != 0 {
		t.Errorf("a query of nonsense: %v", q)
	}
	if p, q := splitQuery(Request{Method: MethodWrite, Path: "a?b=1"}); p != "a?b=1" || len(q) != 0 {
		t.Errorf("a write: %s %v", p, url.Values(q))
	}
}

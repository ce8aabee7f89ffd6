package limits

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/status"
	"vault-renderer/renderer/internal/vault"
	"vault-renderer/testbed/devvault"
)

// world is a Vault with a database role in fake time.
type world struct {
	t  *testing.T
	v  *devvault.Server
	db *devvault.Memory
}

func inBubble(t *testing.T, leaseTTL, leaseMax string, test func(*world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, db: &devvault.Memory{}}
		w.v = devvault.New(devvault.Options{Database: w.db})
		defer w.v.Close()
		for path, body := range map[string]map[string]any{
			"sys/mounts/database": {"type": "database"},
			"sys/mounts/kv":       {"type": "kv", "options": map[string]any{"version": "2"}},
		} {
			w.ask(path, body)
		}
		w.ask("database/config/db", map[string]any{
			"plugin_name": "mysql-database-plugin", "connection_url": "{{username}}:{{password}}@tcp(db:3306)/",
			"allowed_roles": "*", "username": "admin", "password": "canary-admin",
		})
		w.ask("database/roles/app", map[string]any{
			"db_name": "db", "creation_statements": "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'",
			"default_ttl": leaseTTL, "max_ttl": leaseMax,
		})
		w.ask("kv/data/a", map[string]any{"data": map[string]any{"password": "canary-kv"}})
		w.ask("sys/policies/acl/app", map[string]any{"policy": `path "database/creds/app" { capabilities = ["read"] }
path "kv/data/a" { capabilities = ["read"] }`})
		w.ask("sys/policies/acl/strict", map[string]any{"policy": `path "database/creds/app" { capabilities = ["read"] }
path "auth/token/lookup-self" { capabilities = ["read"] }
path "sys/leases/renew" { capabilities = ["deny"] }`})
		test(w)
	})
}

// ask asks as root and gives the token in the answer, if any.
func (w *world) ask(path string, body map[string]any) string {
	w.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPut, "http://vault/v1/"+path, bytes.NewReader(raw))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("X-Vault-Token", w.v.RootToken())
	resp, err := w.v.Transport().RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		w.t.Fatalf("%s: %s", path, resp.Status)
	}
	var out struct {
		Auth struct {
			Token string `json:"client_token"`
		}
	}
	_ = json.NewDecoder(resp.Body).Decode(&out) // a 204 has none
	return out.Auth.Token
}

func (w *world) session(token string) *vault.Session {
	w.t.Helper()
	c, err := vault.New(vault.Options{Address: "http://vault", Transport: w.v.Transport()})
	if err != nil {
		w.t.Fatal(err)
	}
	return c.With(vault.NewToken(token), 1)
}

// service makes a token with the policy app.
func (w *world) service(more map[string]any) *vault.Session {
	w.t.Helper()
	body := map[string]any{"policies": []string{"app"}}
	for k, v := range more {
		body[k] = v
	}
	return w.session(w.ask("auth/token/create", body))
}

func read(paths ...string) (out []vault.Request) {
	for _, p := range paths {
		out = append(out, vault.Request{Method: vault.MethodRead, Path: p})
	}
	return out
}

// TestWhatBinds: each of the four limits, and none.
func TestWhatBinds(t *testing.T) {
	for _, c := range []struct {
		name           string
		token          map[string]any
		ttl, leaseMax  string
		limit          status.Limit
		lives, overlap time.Duration
	}{
		{"lease maximum", map[string]any{"ttl": "1h", "explicit_max_ttl": "48h"}, "1h", "24h", status.LimitLeaseMax, 24 * time.Hour, 6 * time.Minute},
		{"token maximum", map[string]any{"ttl": "30m", "explicit_max_ttl": "2h"}, "1h", "24h", status.LimitTokenMax, 2 * time.Hour, 3 * time.Minute},
		{"token", map[string]any{"ttl": "30m", "renewable": false}, "1h", "24h", status.LimitToken, 30 * time.Minute, 3 * time.Minute},
		{"the same end", map[string]any{"ttl": "24h", "explicit_max_ttl": "24h"}, "1h", "24h", status.LimitLeaseMax, 24 * time.Hour, 6 * time.Minute},
		{"periodic token", map[string]any{"period": "10m"}, "1h", "24h", status.LimitLeaseMax, 24 * time.Hour, 6 * time.Minute},
		{"mount's maximum", map[string]any{"ttl": "10m"}, "1h", "24h", status.LimitLeaseMax, 24 * time.Hour, 6 * time.Minute},
		{"short", map[string]any{"period": "10m"}, "30s", "1m", status.LimitLeaseMax, time.Minute, 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, c.ttl, c.leaseMax, func(w *world) {
				r, left, err := Measure(w.t.Context(), w.service(c.token), Options{Requests: read("database/creds/app", "kv/data/a")})
				if err != nil || left != nil || len(r.Secrets) != 2 {
					t.Fatalf("%+v %v %v", r, left, err)
				}
				s := r.Secrets[0]
				if s.Limit != c.limit || time.Duration(s.Lives) != c.lives || time.Duration(s.Overlap) != c.overlap || s.Lease != "database/creds/app" || s.Err() != nil {
					t.Errorf("%+v of %+v", s, r.Token)
				}
				if kv := r.Secrets[1]; kv.Limit != status.LimitNone || kv.Lease != "" || kv.Err() != nil {
					t.Errorf("%+v", kv)
				}
				if text := fmt.Sprintf("%+v", r); strings.Contains(text, "canary") || strings.Contains(text, "hvs.") {
					t.Error(text)
				}
			})
		})
	}
}

func TestToken(t *testing.T) {
	for _, c := range []struct {
		name string
		body map[string]any
		want Token
	}{
		{"explicit", map[string]any{"ttl": "10m", "explicit_max_ttl": "1h", "num_uses": 9}, Token{
			Type: "service", TTL: Span(10 * time.Minute), Max: Span(time.Hour), Renewable: true, Uses: 7, Limit: status.LimitTokenMax,
		}},
		{"periodic", map[string]any{"period": "10m"}, Token{Type: "service", TTL: Span(10 * time.Minute), Renewable: true}},
		{"fixed", map[string]any{"ttl": "10m", "renewable": false}, Token{
			Type: "service", TTL: Span(10 * time.Minute), Max: Span(10 * time.Minute), Limit: status.LimitToken,
		}},
		{"batch", map[string]any{"type": "batch", "ttl": "10m"}, Token{
			Type: "batch", TTL: Span(10 * time.Minute), Max: Span(10 * time.Minute), Limit: status.LimitToken,
		}},
	} {
		inBubble(t, "1h", "24h", func(w *world) {
			r, _, err := Measure(w.t.Context(), w.service(c.body), Options{})
			if err != nil || r.Token != c.want {
				t.Errorf("%s: %+v %v", c.name, r.Token, err)
			}
		})
	}
	inBubble(t, "1h", "24h", func(w *world) {
		r, _, err := Measure(w.t.Context(), w.session(w.v.RootToken()), Options{})
		if err != nil || r.Token.TTL != 0 || r.Token.Limit != status.LimitNone || r.Token.Renewable {
			t.Errorf("root: %+v %v", r.Token, err)
		}
	})
}

// TestBorrowed: the token is as it was, and the leases end, also where the
// policy does not allow to revoke them.
func TestBorrowed(t *testing.T) {
	inBubble(t, "1h", "24h", func(w *world) {
		s := w.service(map[string]any{"ttl": "10m"})
		r, left, err := Measure(w.t.Context(), s, Options{Requests: read("database/creds/app"), Borrowed: true})
		if err != nil || left != nil || !r.Token.Unknown || r.Secrets[0].Limit != status.LimitLeaseMax {
			t.Errorf("%+v %v %v", r, left, err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(w.db.Users()); n != 0 {
			t.Errorf("%d accounts are left", n)
		}
		if l, err := s.StandingOfSelf(w.t.Context()); err != nil || l.TTL > 10*time.Minute || l.TTL < 9*time.Minute {
			t.Errorf("the token: %+v %v", l, err)
		}
	})
}

// TestWhatFails: a lease that nobody may renew or revoke, a secret that nobody
// may read, a token that nobody knows.
func TestWhatFails(t *testing.T) {
	inBubble(t, "1h", "24h", func(w *world) {
		s := w.session(w.ask("auth/token/create", map[string]any{"policies": []string{"strict"}, "no_default_policy": true, "ttl": "10m"}))
		r, left, err := Measure(w.t.Context(), s, Options{Requests: read("database/creds/app", "kv/data/a"), Borrowed: true})
		if err != nil || len(r.Secrets) != 2 {
			t.Fatalf("%+v %v", r, err)
		}
		if left == nil || !strings.Contains(left.Error(), "a lease of database/creds/app lives on") || strings.Contains(left.Error(), "app/") {
			t.Errorf("left: %v", left)
		}
		one, two := r.Secrets[0], r.Secrets[1]
		if one.Limit != status.LimitLease || vault.ClassOf(one.Err()) != vault.Denied || one.Error == "" {
			t.Errorf("%+v", one)
		}
		if vault.ClassOf(two.Err()) != vault.Denied || two.Limit != status.LimitNone {
			t.Errorf("%+v", two)
		}
		if _, _, err := Measure(w.t.Context(), w.session("canary-unknown"), Options{}); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("unknown: %v", err)
		}
	})
}

// TestInterrupted: a request that is on its way is waited for, and what it made
// is ended; nothing is asked for after it.
func TestInterrupted(t *testing.T) {
	inBubble(t, "1h", "24h", func(w *world) {
		ctx, cancel := context.WithCancel(w.t.Context())
		w.v.SetFault(func(r *http.Request) (int, bool) {
			if strings.HasSuffix(r.URL.Path, "database/creds/app") {
				cancel()
				time.Sleep(time.Second)
			}
			return 0, false
		})
		r, left, err := Measure(ctx, w.service(nil), Options{Requests: read("database/creds/app", "kv/data/a"), Borrowed: true})
		if !errors.Is(err, context.Canceled) || left != nil || len(r.Secrets) != 1 || r.Secrets[0].Lease == "" {
			t.Errorf("%+v %v %v", r, left, err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(w.db.Users()); n != 0 {
			t.Errorf("%d accounts are left", n)
		}
	})
}

func TestOverlapAsThePolicySays(t *testing.T) {
	s := Secret{Lease: "l", TTL: Span(time.Hour), Max: Span(24 * time.Hour), Renewable: true}
	s.bind(Token{}, lease.Policy{ReplaceBefore: 10 * time.Minute, Rand: func() float64 { return 0.9 }})
	if s.Overlap != Span(10*time.Minute) {
		t.Errorf("%+v", s)
	}
	s = Secret{Lease: "l", TTL: Span(time.Hour), Max: Span(time.Hour)}
	s.bind(Token{}, lease.Policy{Threshold: 0.5})
	if s.Overlap != Span(30*time.Minute) || s.Limit != status.LimitLease {
		t.Errorf("%+v", s)
	}
}

func TestJSON(t *testing.T) {
	raw, err := json.Marshal(Report{Token: Token{TTL: Span(time.Minute)}, Secrets: []Secret{}})
	if err != nil || !strings.Contains(string(raw), `"ttl":60,"max":null`) {
		t.Errorf("%s %v", raw, err)
	}
}

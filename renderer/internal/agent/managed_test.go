package agent

import (
	"context"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/destination"
	"vault-renderer/renderer/internal/status"
)

// application is one in fake time: it takes what is in its files and says so in
// a file, as long as it is not told to keep still.
type application struct {
	w     *world
	still atomic.Bool
}

// acking adds a rollout with an ack file to the templates named, and starts an
// application that confirms what it finds in the first of them.
func (w *world) acking(r config.Rollout, names ...string) *application {
	r.Name = "app"
	r.Ack = &config.Ack{File: w.path("ack"), Timeout: 20 * time.Second, Interval: time.Second, Destination: w.path(names[0])}
	if r.Revoke == "" {
		r.Revoke = config.RevokeAcked
	}
	w.cfg.Rollouts = append(w.cfg.Rollouts, r)
	for i := range w.cfg.Templates {
		for _, n := range names {
			if w.cfg.Templates[i].Name == n {
				w.cfg.Templates[i].Rollout = "app"
			}
		}
	}
	app := &application{w: w}
	ctx, cancel := context.WithCancel(context.Background())
	w.after = append(w.after, cancel)
	go app.run(ctx, w.path(names[0]))
	return app
}

func (p *application) run(ctx context.Context, path string) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
		if b, err := os.ReadFile(path); err == nil && !p.still.Load() {
			_ = os.WriteFile(p.w.path("ack.uses"), b, 0o600)
			_ = os.WriteFile(p.w.path("ack"), []byte(destination.DigestOf(b)), 0o600)
		}
	}
}

// allow lets the agent's tokens do more.
func (w *world) allow(policy string) {
	w.t.Helper()
	w.put("sys/policies/acl/more", map[string]any{"policy": policy})
	w.put("auth/approle/role/app", map[string]any{"token_policies": "app,more"})
}

const revokeLeases = `path "sys/leases/revoke" { capabilities = ["update"] }`

// After the ack and the grace, and not before, what the application used before
// is revoked: there are never more than two accounts, and mostly one.
func TestRevokedAfterAck(t *testing.T) {
	for name, own := range map[string]bool{"by lease": false, "by own token": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, setup{leaseTTL: "4m", leaseMax: "10m"}, func(w *world) {
				if w.cfg.Leases.OwnToken = own; own {
					w.allow(`path "auth/token/create" { capabilities = ["update"] }`)
				} else {
					w.allow(revokeLeases)
				}
				w.template("db", dbTemplate)
				w.acking(config.Rollout{Grace: 10 * time.Second}, "db")
				w.start()
				one, two := 0, 0
				for range 1800 {
					time.Sleep(time.Second)
					synctest.Wait()
					switch n := len(w.db.Users()); n {
					case 1:
						one++
					case 2:
						two++
					default:
						w.t.Fatalf("%d accounts\n%s", n, w.log.String())
					}
					if !w.alive("db") && w.file("db") != "" {
						w.t.Fatal("dead credentials in the file")
					}
				}
				if n := w.logged("the application uses the new generation"); n < 3 || two > 20*n || one < 1500 {
					t.Errorf("%d generations; %d s with one account, %d s with two", n, one, two)
				}
				if n, m := w.logged("old credentials revoked"), w.logged("the application uses the new generation"); n < m-2 {
					t.Errorf("%d revoked of %d", n, m)
				}
			})
		})
	}
}

// An application that does not confirm gets the files of before back, whose
// credentials are kept alive all the time; later it is asked again.
func TestNoAckGoesBack(t *testing.T) {
	bubble(t, setup{leaseTTL: "10m", leaseMax: "2h"}, func(w *world) {
		w.allow(revokeLeases)
		w.put("kv/data/app/a", map[string]any{"data": map[string]any{"k": "canary-1"}})
		w.template("db", dbTemplate+`{{ with secret "kv/app/a" }} {{ .Data.data.k }}{{ end }}`)
		w.template("other", dbTemplate)
		app := w.acking(config.Rollout{}, "db", "other")
		w.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		before, other := w.file("db"), w.file("other")
		app.still.Store(true)
		w.put("kv/data/app/a", map[string]any{"data": map[string]any{"k": "canary-2"}})
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if w.logged("level=ERROR", "files of the one before are back") != 1 {
			w.t.Fatalf("not refused:\n%s", w.log.String())
		}
		for range 40 * 60 {
			time.Sleep(time.Second)
			if w.file("other") != other || !w.alive("other") {
				w.t.Fatal("the credentials changed or ended")
			}
		}
		if r := w.report(); r.Ready || len(r.Reasons) == 0 {
			t.Errorf("ready: %+v", r)
		}
		app.still.Store(false)
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if got := w.file("db"); got == before || !strings.HasSuffix(got, "canary-2") {
			t.Error("not tried again")
		}
		if r := w.report(); !r.Ready {
			t.Errorf("not ready: %v", r.Reasons)
		}
		if n := w.hidden(); n != 0 {
			t.Errorf("%d files left behind", n)
		}
	})
}

// With the credentials of before dead there is nothing to go back to.
func TestNeverBackToTheDead(t *testing.T) {
	bubble(t, setup{leaseTTL: "1h", leaseMax: "2h"}, func(w *world) {
		w.template("db", dbTemplate)
		app := w.acking(config.Rollout{}, "db")
		w.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		before := w.file("db")
		app.still.Store(true)
		w.put("sys/leases/revoke-prefix/database/creds/app", nil)
		w.agent.Refresh("test")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := w.file("db"); got == before || !w.alive("db") {
			w.t.Fatalf("dead credentials are back\n%s", w.log.String())
		}
		if w.logged("level=ERROR", "it stays, because the credentials before it have ended") != 1 {
			t.Errorf("log:\n%s", w.log.String())
		}
		now := w.file("db")
		app.still.Store(false)
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if w.file("db") != now || w.logged("the application uses the new generation") != 2 {
			t.Errorf("log:\n%s", w.log.String())
		}
	})
}

// While the application is asked for one generation, its credentials are
// revoked: the next one comes at once, not after the time limit.
func TestSupersededByRevocation(t *testing.T) {
	bubble(t, setup{leaseTTL: "1h", leaseMax: "2h"}, func(w *world) {
		w.template("db", dbTemplate)
		app := w.acking(config.Rollout{}, "db")
		app.still.Store(true)
		w.start()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		first := w.file("db")
		w.put("sys/leases/revoke-prefix/database/creds/app", nil)
		w.agent.Refresh("test")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if w.file("db") == first || !w.alive("db") {
			t.Errorf("dead credentials stay\n%s", w.log.String())
		}
		app.still.Store(false)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if w.logged("the application uses the new generation") != 1 {
			t.Errorf("log:\n%s", w.log.String())
		}
	})
}

// What a check refuses is never in place; its output is shown without secrets.
func TestCheckRefuses(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		w.put("kv/data/app/a", map[string]any{"data": map[string]any{"k": "canary-good"}})
		w.template("a", `{{ with secret "kv/app/a" }}{{ .Data.data.k }}{{ end }}`)
		w.template("b", `{{ with secret "kv/app/a" }}{{ .Data.data.k }} too{{ end }}`)
		w.cfg.Rollouts = []config.Rollout{{Name: "app", Check: &config.Check{
			Command: []string{"sh", "-c", `cat "$@"; ! grep -q bad "$@"`, "sh", "{}"}, Timeout: time.Minute,
		}}}
		w.cfg.Templates[0].Rollout, w.cfg.Templates[1].Rollout = "app", "app"
		w.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		if w.file("a") != "canary-good" || w.file("b") != "canary-good too" {
			w.t.Fatalf("not rendered\n%s", w.log.String())
		}
		w.put("kv/data/app/a", map[string]any{"data": map[string]any{"k": "canary-bad"}})
		time.Sleep(time.Hour)
		synctest.Wait()
		if w.file("a") != "canary-good" || w.file("b") != "canary-good too" {
			t.Error("the refused files are in place")
		}
		if w.logged("level=ERROR", "was not put in place", "output=", "•••") != 1 {
			t.Errorf("log:\n%s", w.log.String())
		}
		w.put("kv/data/app/a", map[string]any{"data": map[string]any{"k": "canary-fine"}})
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if w.file("a") != "canary-fine" {
			t.Error("not tried again")
		}
	})
}

// report asks the agent how it is.
func (w *world) report() (r status.Report) {
	w.t.Helper()
	r, err := w.agent.Status(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// hidden counts the files that belong to no one.
func (w *world) hidden() (n int) {
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			n++
		}
	}
	return n
}

// A token that a template made ends with the agent's own: the old one lives
// until the file has the next.
func TestMadeTokenOutlivesTheSwitch(t *testing.T) {
	bubble(t, setup{tokenTTL: "10m", tokenMax: "20m"}, func(w *world) {
		w.allow(revokeLeases + "\n" + `path "auth/token/create" { capabilities = ["update"] }`)
		w.template("token", `{{ with secret "auth/token/create" "policies=app" }}{{ .Auth.ClientToken }}{{ end }}`)
		w.acking(config.Rollout{}, "token")
		w.cfg.Leases.Revoke = config.RevokeAlways
		w.start()
		seen := map[string]bool{}
		for range 2 * 60 * 60 {
			time.Sleep(time.Second)
			synctest.Wait()
			for _, f := range []string{"token", "ack.uses"} {
				if token := w.file(f); token != "" {
					seen[token] = true
					if t.Failed() {
						return
					}
					if !w.livesToken(token) {
						t.Errorf("dead token in %s at %s\n%s", f, time.Now(), w.log.String())
						return
					}
				}
			}
		}
		if len(seen) < 5 || w.logged("old token revoked") < 4 {
			t.Errorf("%d tokens, %d revoked\n%s", len(seen), w.logged("old token revoked"), w.log.String())
		}
	})
}

// livesToken says whether Vault knows a token.
func (w *world) livesToken(token string) bool {
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "http://vault/v1/auth/token/lookup-self", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("X-Vault-Token", token)
	resp, err := w.vault.Transport().RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

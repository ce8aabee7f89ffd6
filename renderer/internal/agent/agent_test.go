package agent

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/auth"
	"vault-renderer/renderer/internal/config"
)

// watchFile checks at every fake second of d that the credentials in the file
// are good. It gives how often they changed, and how many accounts there were
// at a time at most.
func (w *world) watchFile(name string, d time.Duration) (changes, most int) {
	w.t.Helper()
	seen := map[string]bool{}
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second) {
		synctest.Wait()
		if !w.alive(name) {
			w.t.Fatalf("dead credentials in the file\n%s", w.log.String())
		}
		seen[w.file(name)] = true
		most = max(most, len(w.db.Users()))
	}
	return len(seen) - 1, most
}

// TestInvariantI2 is I2: credentials in use are never left to lapse while
// Vault answers, whichever of the four limits ends them.
func TestInvariantI2(t *testing.T) {
	for _, c := range []struct {
		name        string
		o           setup
		atLeast     int
		mostAtATime int
	}{
		{"lease max", setup{leaseTTL: "1m", leaseMax: "3m"}, 20, 2},
		{"lease not renewable further at once", setup{leaseTTL: "3m", leaseMax: "3m"}, 20, 2},
		{"seconds", setup{leaseTTL: "3s", leaseMax: "6s"}, 600, 3},
		{"token max below lease max", setup{tokenTTL: "20s", tokenMax: "40s", leaseTTL: "1m", leaseMax: "24h"}, 90, 3},
		{"token and lease end together", setup{tokenTTL: "1m", tokenMax: "2m", leaseTTL: "1m", leaseMax: "2m"}, 30, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, c.o, func(w *world) {
				w.template("db", dbTemplate)
				w.start()
				synctest.Wait()
				n, most := w.watchFile("db", time.Hour)
				if n < c.atLeast {
					t.Errorf("%d rotations in an hour, want at least %d", n, c.atLeast)
				}
				if most > c.mostAtATime {
					t.Errorf("%d accounts at a time, want at most %d", most, c.mostAtATime)
				}
				if err := w.stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// One watcher per secret, one look-up per mount, whatever the number of templates.
func TestOneRequestPerSecret(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		w.put("kv/data/app/a", map[string]any{"data": map[string]any{"k": "canary-1"}})
		for i := range 20 {
			w.template(fmt.Sprint("db", i), dbTemplate)
			w.template(fmt.Sprint("kv", i), `{{ with secret "kv/app/a" }}{{ .Data.data.k }}{{ end }}{{ with secret "/kv/app/a/" }}{{ end }}`)
		}
		w.vault.ResetRequests()
		w.start()
		synctest.Wait()
		if got, want := w.asked(""), 5; got != want {
			t.Errorf("%d requests, want %d: %v", got, want, w.vault.Requests())
		}
		for i := range 20 {
			if w.file(fmt.Sprint("db", i)) != w.file("db0") || w.file(fmt.Sprint("kv", i)) != "canary-1" {
				t.Fatalf("template %d", i)
			}
		}
	})
}

// An update executes only the templates that use it.
func TestOnlyUsersAreExecuted(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		for i := range 10 {
			w.put(fmt.Sprint("kv/data/app/", i), map[string]any{"data": map[string]any{"k": "canary-old"}})
			w.template(fmt.Sprint("t", i), fmt.Sprintf(`{{ with secret "kv/app/%d" }}{{ .Data.data.k }}{{ end }}`, i))
		}
		w.start()
		synctest.Wait()
		before := make([]int, 10)
		for i, u := range w.agent.plan.units {
			before[i] = u.runs
		}
		w.put("kv/data/app/3", map[string]any{"data": map[string]any{"k": "canary-new"}})
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		for i, u := range w.agent.plan.units {
			want := 0
			if i == 3 {
				want = 1
			}
			if u.runs-before[i] != want {
				t.Errorf("template %d was executed %d times, want %d", i, u.runs-before[i], want)
			}
		}
		if w.file("t3") != "canary-new" {
			t.Errorf("content %q", w.file("t3"))
		}
	})
}

// With a thousand templates and a thousand secrets, one change executes exactly
// the templates that use it.
func TestOneChangeInAThousand(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		const shared = 7 // used by every hundredth template besides its own
		users := 0
		for i := range 1000 {
			w.put(fmt.Sprint("kv/data/app/", i), map[string]any{"data": map[string]any{"k": "canary-old"}})
			contents := fmt.Sprintf(`{{ with secret "kv/app/%d" }}{{ .Data.data.k }}{{ end }}`, i)
			if i%100 == 0 {
				contents += fmt.Sprintf(`{{ with secret "kv/app/%d" }}{{ .Data.data.k }}{{ end }}`, shared)
			}
			if i%100 == 0 || i == shared {
				users++
			}
			w.template(fmt.Sprint("t", i), contents)
		}
		w.start()
		synctest.Wait()
		runs := func() (n int) {
			for _, u := range w.agent.plan.units {
				n += u.runs
			}
			return n
		}
		before := runs()
		w.put(fmt.Sprint("kv/data/app/", shared), map[string]any{"data": map[string]any{"k": "canary-new"}})
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		t.Logf("executed %d of 1000 templates, %d use the secret", runs()-before, users)
		if runs()-before != users {
			t.Errorf("executed %d, want %d", runs()-before, users)
		}
	})
}

// A denied path, a missing one and a bad template stop nobody else, name their
// place once, and cost Vault nothing but a slow retry of the failing read.
func TestFailuresStayAlone(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		w.template("db", dbTemplate)
		w.template("denied", "\n{{ with secret \"kv/other/x\" }}{{ end }}")
		w.template("missing", `{{ with secret "kv/app/none" }}{{ end }}`)
		w.template("bad", `{{ with secret "database/creds/app" }}{{ .Data.username | parseInt }}{{ end }}`)
		w.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		if !w.alive("db") {
			t.Fatalf("the good template is not rendered:\n%s", w.log.String())
		}
		for _, want := range [][]string{
			{"level=ERROR", "template=denied", "at=config.hcl:11:", "kv/data/other/x", "permission denied"},
			{"level=ERROR", "template=missing", "at=config.hcl:10:", "kv/data/app/none", "not found"},
			{"level=ERROR", "template=bad", "at=config.hcl:10:", "parseInt"},
		} {
			if n := w.logged(want...); n != 1 {
				t.Errorf("%d lines with %q, want 1\n%s", n, want, w.log.String())
			}
		}
		creds := w.asked("/database/creds/app")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := w.asked("/database/creds/app") - creds; n > 4 { // 10 min at a maximum of 5 min, each a regular replacement
			t.Errorf("the bad template cost %d more database accounts", n)
		}
		for _, bad := range []string{"denied", "missing", "bad"} {
			if w.file(bad) != "" {
				t.Errorf("%s was written: %q", bad, w.file(bad))
			}
		}
	})
}

// Vault is sealed for ten minutes, and later away: the file stays, it is said
// once, and all is well again by itself.
func TestVaultAwayAndBack(t *testing.T) {
	bubble(t, setup{leaseTTL: "1m", leaseMax: "3m"}, func(w *world) {
		w.template("db", dbTemplate)
		w.start()
		synctest.Wait()
		for _, how := range []func() func(){
			func() func() {
				w.put("sys/seal", nil)
				return func() {
					w.put("sys/unseal", map[string]any{"key": w.vault.UnsealKey()})
				}
			},
			func() func() {
				w.vault.SetFault(func(*http.Request) (int, bool) { return 0, true })
				return func() { w.vault.SetFault(nil) }
			},
			func() func() {
				w.vault.SetFault(func(*http.Request) (int, bool) { return 503, true })
				return func() { w.vault.SetFault(nil) }
			},
		} {
			before, said := w.file("db"), w.logged("Vault does not answer")
			restore := how()
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if w.file("db") != before {
				t.Error("the file changed while Vault was away")
			}
			if n := w.logged("Vault does not answer") - said; n != 1 {
				t.Errorf("said %d times that Vault is away:\n%s", n, w.log.String())
			}
			restore()
			time.Sleep(45 * time.Second)
			synctest.Wait()
			if !w.alive("db") {
				t.Fatalf("not well again:\n%s", w.log.String())
			}
		}
	})
}

// Requests vanish without an answer, as behind a firewall that forgot the
// connection: the next try is made while the credentials still live.
func TestVaultSwallowsRequests(t *testing.T) {
	bubble(t, setup{tokenTTL: "1m", tokenMax: "2m", leaseTTL: "1m", leaseMax: "3m"}, func(w *world) {
		w.template("db", dbTemplate)
		w.start()
		synctest.Wait()
		began := time.Now()
		w.vault.SetFault(func(r *http.Request) (int, bool) {
			if time.Since(began)%(30*time.Second) < 22*time.Second {
				return 0, false
			}
			<-r.Context().Done() // for eight seconds of every thirty
			return 0, true
		})
		if n, _ := w.watchFile("db", time.Hour); n < 20 {
			t.Errorf("%d rotations", n)
		}
		w.vault.SetFault(nil)
	})
}

// Vault is away at the start.
func TestVaultAwayAtStart(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		w.vault.SetFault(func(*http.Request) (int, bool) { return 0, true })
		w.template("db", dbTemplate)
		w.start()
		time.Sleep(time.Minute)
		w.vault.SetFault(nil)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if !w.alive("db") || w.logged("Vault does not answer") != 1 {
			t.Errorf("%s", w.log.String())
		}
	})
}

// A revoked token leads to a new login and new credentials.
func TestTokenRevoked(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		w.cfg.AutoAuth.Sinks = []config.Sink{{Path: w.path("token"), Mode: 0o640, Owner: -1, Group: -1}}
		w.template("db", dbTemplate)
		w.start()
		synctest.Wait()
		old := w.file("db")
		w.put("auth/token/revoke", map[string]any{"token": w.file("token")})
		time.Sleep(time.Minute)
		synctest.Wait()
		if w.file("db") == old || !w.alive("db") {
			t.Errorf("not replaced:\n%s", w.log.String())
		}
		if st, _ := os.Stat(w.path("token")); st.Mode().Perm() != 0o640 {
			t.Errorf("sink mode %v", st.Mode())
		}
	})
}

// A hook that fails is tried again by itself until it succeeds; Vault is not
// asked for anything, and a change runs a shared hook once.
func TestHookIsRetriedAlone(t *testing.T) {
	bubble(t, setup{leaseTTL: "24h", leaseMax: "48h"}, func(w *world) {
		hook := &config.Exec{Timeout: time.Minute, Command: []string{"sh", "-c", "echo x >> " + w.path("runs") + "; test -e " + w.path("ok")}}
		w.template("a", dbTemplate).Exec = hook
		w.template("b", dbTemplate).Exec = hook
		w.start()
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		if n := strings.Count(w.file("runs"), "x"); n != 1 {
			t.Errorf("%d runs for one change of two files", n)
		}
		w.vault.ResetRequests()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := strings.Count(w.file("runs"), "x"); n < 10 || n > 20 {
			t.Errorf("%d runs in ten minutes of failure", n)
		}
		if n := w.asked("") - w.asked("lookup"); n != 0 { // whether token and lease live is asked in any case
			t.Errorf("Vault was asked %d times: %v", n, w.vault.Requests())
		}
		if n := w.logged("level=ERROR", "hook failed"); n != 1 {
			t.Errorf("the failure is logged %d times", n)
		}
		w.write("ok", "")
		time.Sleep(2 * time.Minute)
		n := strings.Count(w.file("runs"), "x")
		time.Sleep(time.Hour)
		synctest.Wait()
		if m := strings.Count(w.file("runs"), "x"); m != n || w.logged("application told") != 1 {
			t.Errorf("%d more runs after success", m-n)
		}
	})
}

// A destination that can't be written is tried again; the secret is not
// fetched again.
func TestDiskFailureIsRetriedAlone(t *testing.T) {
	bubble(t, setup{leaseTTL: "24h", leaseMax: "48h"}, func(w *world) {
		w.template("sub/db", dbTemplate).CreateDestDirs = false
		if err := os.Mkdir(w.path("sub"), 0o700); err != nil {
			t.Fatal(err)
		}
		w.vault.SetFault(func(*http.Request) (int, bool) { return 503, true })
		w.start()
		synctest.Wait()
		if err := os.Rename(w.path("sub"), w.path("gone")); err != nil {
			t.Fatal(err)
		}
		w.vault.SetFault(nil)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := w.logged("level=ERROR", "template=sub/db", "open the directory"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, w.log.String())
		}
		w.vault.ResetRequests()
		if err := os.Rename(w.path("gone"), w.path("sub")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if !w.alive("sub/db") || w.asked("") != 0 {
			t.Errorf("requests %v", w.vault.Requests())
		}
	})
}

// TestInvariantI3 is I3: a bad configuration on reload leaves the running one
// untouched; a good one keeps what did not change.
func TestInvariantI3(t *testing.T) {
	bubble(t, setup{leaseTTL: "24h", leaseMax: "48h"}, func(w *world) {
		w.put("kv/data/app/a", map[string]any{"data": map[string]any{"k": "canary-1"}})
		w.template("db", dbTemplate)
		w.template("gone", `{{ with secret "kv/app/a" }}{{ .Data.data.k }}{{ end }}`)
		next := *w.cfg
		w.load = func() (*config.Config, hclDiagnostics) { c := next; return &c, nil }
		w.start()
		synctest.Wait()
		before := w.file("db")

		next.Templates = append([]config.Template(nil), w.cfg.Templates...)
		next.Templates[0].Contents = "{{ if }}"
		w.reload()
		if w.logged("level=ERROR", "the running one stays in force") != 1 || w.file("db") != before {
			t.Errorf("a bad template got in force:\n%s", w.log.String())
		}

		w.vault.ResetRequests()
		next.Templates = append([]config.Template(nil), w.cfg.Templates[:1]...)
		next.Templates = append(next.Templates, w.cfg.Templates[0])
		next.Templates[1].Name, next.Templates[1].Destination = "second", w.path("second")
		w.reload()
		if w.file("second") != before || w.file("db") != before {
			t.Errorf("second %q, db %q", w.file("second"), w.file("db"))
		}
		if n := w.asked(""); n != 0 {
			t.Errorf("a reload asked Vault: %v", w.vault.Requests())
		}
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		if n := w.asked("kv/data/app/a"); n != 0 {
			t.Error("a secret that no template uses is still read")
		}

		next.AutoAuth = &config.AutoAuth{Method: w.cfg.AutoAuth.Method}
		next.AutoAuth.Method.MaxBackoff = time.Minute
		w.reload()
		if w.file("db") == before || !w.alive("db") || w.file("second") != w.file("db") {
			t.Errorf("a new login did not lead to new credentials:\n%s", w.log.String())
		}
	})
}

func (w *world) reload() {
	w.agent.Reload()
	time.Sleep(time.Second)
	synctest.Wait()
}

func TestExitAfterAuth(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		w.cfg.ExitAfterAuth = true
		w.cfg.AutoAuth.Sinks = []config.Sink{{Path: w.path("token"), Mode: 0o600, Owner: -1, Group: -1}}
		w.template("db", dbTemplate).Exec = &config.Exec{Timeout: time.Minute, Command: []string{"touch", w.path("told")}}
		w.start()
		if err := <-w.done; err != nil {
			t.Fatal(err)
		}
		w.end = nil
		if !w.alive("db") || w.file("token") == "" {
			t.Error("not everything is there")
		}
		if _, err := os.Stat(w.path("told")); err != nil {
			t.Error("the hook did not run")
		}
	})
}

// A one-shot run that can't be completed renders what it can and fails.
func TestExitAfterAuthIncomplete(t *testing.T) {
	for name, contents := range map[string]string{
		"denied":  `{{ with secret "kv/other/x" }}{{ end }}`,
		"missing": `{{ with secret "kv/app/none" }}{{ end }}`,
		"bad":     `{{ with secret "database/creds/app" }}{{ .Data.username | parseInt }}{{ end }}`,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, setup{}, func(w *world) {
				w.cfg.ExitAfterAuth = true
				w.cfg.Vault.NumRetries = 3
				w.template("db", dbTemplate)
				w.template(name, contents)
				w.start()
				err := <-w.done
				w.end = nil
				if !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), fmt.Sprintf("template %q: line 1", name)) {
					t.Errorf("error %v", err)
				}
				if !w.alive("db") {
					t.Error("the good template is not rendered")
				}
			})
		})
	}
}

func TestExitOnErr(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		w.cfg.AutoAuth.Method.ExitOnErr = true
		w.write("role_id", "wrong")
		w.template("db", dbTemplate)
		w.start()
		err := <-w.done
		w.end = nil
		if !errors.Is(err, auth.ErrLogin) {
			t.Errorf("error %v", err)
		}
	})
}

// strict refuses output that only looks like a configuration.
func TestStrictRefusesGarbage(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		w.cfg.Strict = true
		w.template("empty", ` {{ with secret "database/creds/app" }}{{ end }}`)
		w.template("novalue", `{{ with secret "database/creds/app" }}{{ .Data.nothing }}{{ end }}`)
		w.template("allowed", ` {{ with secret "database/creds/app" }}{{ end }}`).AllowEmpty = true
		w.start()
		synctest.Wait()
		if w.logged("template=empty", "renders to nothing") != 1 || w.logged("template=novalue", "<no value>") != 1 {
			t.Errorf("log:\n%s", w.log.String())
		}
		if w.file("empty") != "" || w.file("novalue") != "" || w.file("allowed") != " " {
			t.Error("wrong files")
		}
	})
}

// The SecretID's file goes when Vault has answered, not before.
func TestSecretIDFileIsRemoved(t *testing.T) {
	bubble(t, setup{tokenTTL: "1m", tokenMax: "2m"}, func(w *world) {
		w.cfg.AutoAuth.Method.AppRole.RemoveSecretIDFileAfterRead = true
		w.vault.SetFault(func(*http.Request) (int, bool) { return 0, true })
		w.template("db", dbTemplate)
		w.start()
		time.Sleep(time.Second)
		synctest.Wait()
		if w.file("secret_id") == "" {
			t.Error("removed while Vault was away")
		}
		w.vault.SetFault(nil)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if w.file("secret_id") != "" || !w.alive("db") {
			t.Error("not removed after the login")
		}
		if n, _ := w.watchFile("db", 10*time.Minute); n < 5 { // from memory
			t.Errorf("%d rotations", n)
		}
	})
}

// A wrapped SecretID is unwrapped when it was made at the expected path only.
func TestWrappedSecretID(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		r := w.cfg.AutoAuth.Method.AppRole
		r.SecretIDResponseWrappingPath, r.RemoveSecretIDFileAfterRead = "auth/approle/role/app/secret-id", true
		w.write("secret_id", w.wrapped("sys/wrapping/wrap"))
		w.template("db", dbTemplate)
		w.start()
		time.Sleep(time.Second)
		synctest.Wait()
		if w.logged("level=ERROR", "security") == 0 || w.file("secret_id") == "" {
			t.Errorf("a token from elsewhere was taken:\n%s", w.log.String())
		}
		w.write("secret_id", w.wrapped("auth/approle/role/app/secret-id"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if !w.alive("db") || w.file("secret_id") != "" {
			t.Errorf("not logged in:\n%s", w.log.String())
		}
	})
}

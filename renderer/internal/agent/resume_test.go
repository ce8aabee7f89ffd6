package agent

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/vault"
)

// stateful gives the agent a state file.
func (w *world) stateful() {
	w.cfg.StateFile = w.path("state")
	w.cfg.Leases.Grace = 10 * time.Second
}

// crash ends the agent as SIGKILL would: the state file is what it was.
func (w *world) crash() {
	w.t.Helper()
	saved, err := os.ReadFile(w.path("state"))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.stop(); err != nil {
		w.t.Error(err)
	}
	w.write("state", string(saved))
}

// away cuts the agent off from Vault, or lets it answer again.
func (w *world) away(yes bool) {
	if !yes {
		w.vault.SetFault(nil)
		return
	}
	w.vault.SetFault(func(r *http.Request) (int, bool) { return 0, r.Header.Get("X-Vault-Token") != w.vault.RootToken() })
}

// identity changes when a file is written again, even with the same content.
func identity(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join([]string{info.ModTime().String(), string(rune(info.Sys().(*syscall.Stat_t).Ino))}, " ")
}

// A restart goes on with token, leases and files: no login, no new lease, no
// file written, no hook run. Vault is only asked whether they still live.
func TestResume(t *testing.T) {
	for name, end := range map[string]func(w *world){
		"stopped": func(w *world) { _ = w.stop() },
		"killed":  (*world).crash,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, setup{leaseTTL: "1h", leaseMax: "2h", tokenTTL: "3h"}, func(w *world) {
				w.stateful()
				w.put("kv/data/app/a", map[string]any{"data": map[string]any{"k": "canary-1"}})
				hook := &config.Exec{Timeout: time.Minute, Command: []string{"sh", "-c", "echo x >> " + w.path("runs")}}
				w.template("db", dbTemplate).Exec = hook
				w.template("kv", `{{ with secret "kv/app/a" }}{{ .Data.data.k }}{{ end }}`).Exec = hook
				w.cfg.AutoAuth.Sinks = []config.Sink{{Path: w.path("token"), Mode: 0o600}}
				w.start()
				time.Sleep(50 * time.Minute)
				synctest.Wait()
				before := map[string]string{}
				for _, n := range []string{"db", "kv", "token", "runs"} {
					before[n] = identity(t, w.path(n))
				}
				for range 5 {
					end(w)
					w.vault.ResetRequests()
					w.start()
					time.Sleep(time.Second)
					synctest.Wait()
					if n := w.asked("login") + w.asked("creds"); n != 0 {
						t.Errorf("asked for new credentials: %v", w.vault.Requests())
					}
					if w.asked("leases/lookup") != 1 || w.asked("lookup-self") != 1 {
						t.Errorf("not looked up: %v", w.vault.Requests())
					}
				}
				for n, was := range before {
					if identity(t, w.path(n)) != was {
						t.Errorf("%s was written again", n)
					}
				}
				if changes, most := w.watchFile("db", 3*time.Hour); changes != 2 || most > 2 {
					t.Errorf("%d rotations in the next hours, %d accounts", changes, most)
				}
				if !w.agentReady() {
					t.Error("not ready")
				}
			})
		})
	}
}

func (w *world) agentReady() bool { return w.report().Ready }

// What ended while nobody looked is replaced at once.
func TestResumeAfterTheEnd(t *testing.T) {
	for name, end := range map[string]func(w *world){
		"lease revoked": func(w *world) { w.put("sys/leases/revoke-prefix/database/creds/app", nil) },
		"token revoked": func(w *world) { w.put("auth/token/revoke", map[string]any{"token": w.file("token")}) },
		"both lapsed":   func(*world) { time.Sleep(48 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, setup{leaseTTL: "1h", leaseMax: "12h"}, func(w *world) {
				w.stateful()
				w.template("db", dbTemplate)
				w.cfg.AutoAuth.Sinks = []config.Sink{{Path: w.path("token"), Mode: 0o600}}
				w.start()
				time.Sleep(time.Minute)
				synctest.Wait()
				before := w.file("db")
				w.crash()
				end(w)
				w.start()
				time.Sleep(time.Second)
				synctest.Wait()
				if w.file("db") == before || !w.alive("db") {
					t.Errorf("dead credentials in the file\n%s", w.log.String())
				}
			})
		})
	}
}

// While Vault is away the last good state is in use.
func TestResumeWithoutVault(t *testing.T) {
	bubble(t, setup{leaseTTL: "1h", leaseMax: "12h"}, func(w *world) {
		w.stateful()
		w.template("db", dbTemplate)
		w.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		before := w.file("db")
		w.crash()
		w.away(true)
		w.start()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if w.file("db") != before || !w.agentReady() {
			t.Errorf("the last good state is not in use\n%s", w.log.String())
		}
		w.away(false)
		if changes, most := w.watchFile("db", 10*time.Hour); changes > 1 || most > 2 {
			t.Errorf("%d rotations, %d accounts", changes, most)
		}
	})
}

// A crash while the application is asked: the next run asks again, and goes
// back if it does not answer, to what was before the crash.
func TestResumeWhileAsking(t *testing.T) {
	for name, confirms := range map[string]bool{"confirmed later": true, "never confirmed": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, setup{leaseTTL: "4m", leaseMax: "10m"}, func(w *world) {
				w.stateful()
				w.allow(revokeLeases)
				w.template("db", dbTemplate)
				app := w.acking(config.Rollout{Grace: time.Second}, "db")
				w.start()
				time.Sleep(time.Minute)
				synctest.Wait()
				before := w.file("db")
				app.still.Store(true)
				for w.file("db") == before {
					time.Sleep(time.Second)
				}
				after := w.file("db")
				w.crash()
				app.still.Store(!confirms)
				w.start()
				time.Sleep(22 * time.Second)
				synctest.Wait()
				if got := w.file("db"); confirms && got != after || !confirms && got != before {
					t.Errorf("wrong generation in place\n%s", w.log.String())
				}
				if n := len(w.db.Users()); confirms && n != 1 || !confirms && n != 2 {
					t.Errorf("%d accounts\n%s", n, w.log.String())
				}
				if n := w.hidden(); confirms && n != 0 {
					t.Errorf("%d files left behind", n)
				}
			})
		})
	}
}

// What a crash left unanswered is ended by its own token.
func TestUnansweredIsRevoked(t *testing.T) {
	bubble(t, setup{leaseTTL: "1h", leaseMax: "2h"}, func(w *world) {
		w.stateful()
		w.cfg.Leases.OwnToken = true
		w.allow(`path "auth/token/create" { capabilities = ["update"] }`)
		w.template("db", dbTemplate)
		w.start()
		time.Sleep(time.Second)
		synctest.Wait()
		// Another account, as a request makes it whose answer never came.
		var own *vault.Session
		base, _ := w.agent.sessions.Get()
		own, err := w.agent.ownToken(vault.Request{Method: vault.MethodRead, Path: "database/creds/app"})(w.t.Context(), base)
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := own.Fetch(w.t.Context(), vault.Request{Method: vault.MethodRead, Path: "database/creds/app"}); err != nil {
			w.t.Fatal(err)
		}
		before := w.file("db")
		w.crash()
		if n := len(w.db.Users()); n != 2 {
			w.t.Fatalf("%d accounts", n)
		}
		w.start()
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(w.db.Users()); n != 1 || w.file("db") != before || !w.alive("db") {
			t.Errorf("%d accounts\n%s", n, w.log.String())
		}
	})
}

// on_exit = "revoke" leaves nothing: no account, no file, no state.
func TestOnExitRevoke(t *testing.T) {
	for name, policy := range map[string]string{"by lease": revokeLeases, "by the token": `path "kv/x" { capabilities = ["read"] }`} {
		t.Run(name, func(t *testing.T) {
			bubble(t, setup{}, func(w *world) {
				w.stateful()
				w.allow(policy)
				w.cfg.OnExit = config.OnExit{Revoke: true, Timeout: 10 * time.Second}
				w.template("db", dbTemplate).Backup = true
				w.cfg.AutoAuth.Sinks = []config.Sink{{Path: w.path("token"), Mode: 0o600}}
				w.start()
				time.Sleep(20 * time.Minute)
				synctest.Wait()
				if err := w.stop(); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Second) // what hung on the token ends beside the answer
				if n := len(w.db.Users()); n != 0 {
					t.Errorf("%d accounts\n%s", n, w.log.String())
				}
				for _, f := range []string{"db", "db.bak", "token", "state"} {
					if _, err := os.Stat(w.path(f)); err == nil {
						t.Errorf("%s is left", f)
					}
				}
			})
		})
	}
}

// With Vault away on_exit = "revoke" is over in time, and what is left is
// revoked at the next start.
func TestOnExitWithoutVault(t *testing.T) {
	bubble(t, setup{leaseTTL: "1h", leaseMax: "2h"}, func(w *world) {
		w.stateful()
		w.allow(revokeLeases)
		w.cfg.OnExit = config.OnExit{Revoke: true, Timeout: 10 * time.Second}
		w.cfg.Leases.Revoke = config.RevokeAlways
		w.template("db", dbTemplate)
		w.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		w.away(true)
		start := time.Now()
		if err := w.stop(); err != nil || time.Since(start) > 11*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if _, err := os.Stat(w.path("db")); err == nil {
			t.Error("the file is left")
		}
		w.away(false)
		w.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(w.db.Users()); n != 1 || !w.alive("db") {
			t.Errorf("%d accounts\n%s", n, w.log.String())
		}
	})
}

// A state of another server is not trusted.
func TestForeignState(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		w.stateful()
		w.template("db", dbTemplate)
		w.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		w.crash()
		w.cfg.AutoAuth.Method.MountPath = "auth/approle/"
		w.vault.ResetRequests()
		w.start()
		time.Sleep(time.Second)
		synctest.Wait()
		if w.asked("login") != 1 || w.logged("level=WARN", "state") == 0 {
			t.Errorf("%v\n%s", w.vault.Requests(), w.log.String())
		}
		if found, _ := filepath.Glob(w.path("state.*")); len(found) == 0 {
			t.Error("not set aside")
		}
	})
}

// What writeToFile wrote before a restart is removed at the end, too, though
// Vault is away and its template has not run again.
func TestOnExitRemovesSideFiles(t *testing.T) {
	bubble(t, setup{leaseTTL: "1h", leaseMax: "2h"}, func(w *world) {
		w.stateful()
		w.put("kv/data/app/a", map[string]any{"data": map[string]any{"k": "canary-1"}})
		w.template("main", `{{ with secret "kv/app/a" }}{{ .Data.data.k | writeToFile "`+w.path("side")+`" "" "" "0600" }}{{ end }}main`)
		w.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		if w.file("side") != "canary-1" {
			w.t.Fatalf("not written\n%s", w.log.String())
		}
		w.crash()
		w.away(true)
		w.cfg.OnExit = config.OnExit{Revoke: true, Timeout: 5 * time.Second}
		w.start()
		time.Sleep(time.Second)
		_ = w.stop()
		for _, f := range []string{"main", "side"} {
			if _, err := os.Stat(w.path(f)); err == nil {
				t.Errorf("%s is left", f)
			}
		}
		w.away(false)
	})
}

package agent

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/config"
)

// on_exit = "revoke" leaves nothing either while an application is asked: not
// the files that it has not confirmed, nor those that were kept to go back to.
func TestOnExitRevokeWhileAsking(t *testing.T) {
	for name, first := range map[string]bool{"the first generation": true, "the second": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, setup{leaseTTL: "4m", leaseMax: "10m"}, func(w *world) {
				w.stateful()
				w.allow(revokeLeases)
				w.cfg.OnExit = config.OnExit{Revoke: true, Timeout: 10 * time.Second}
				w.template("db", dbTemplate)
				app := w.acking(config.Rollout{Grace: time.Second}, "db")
				app.still.Store(first)
				w.start()
				time.Sleep(5 * time.Second)
				synctest.Wait()
				if !first {
					before := w.file("db")
					app.still.Store(true)
					for w.file("db") == before {
						time.Sleep(time.Second)
					}
				}
				if err := w.stop(); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Second)
				if n := len(w.db.Users()); n != 0 {
					t.Errorf("%d accounts\n%s", n, w.log.String())
				}
				for _, f := range []string{"db", "state"} {
					if _, err := os.Stat(w.path(f)); err == nil {
						t.Errorf("%s is left", f)
					}
				}
				if n := w.hidden(); n != 0 {
					t.Errorf("%d hidden files are left", n)
				}
			})
		})
	}
}

package agent

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/state"
	"vault-renderer/renderer/internal/vault"
)

var credsRequest = vault.Request{Method: vault.MethodRead, Path: "database/creds/app"}

// owning runs with tokens of the leases' own until the first is in place.
func (w *world) owning() {
	w.t.Helper()
	w.stateful()
	w.cfg.Leases.OwnToken = true
	w.allow(`path "auth/token/create" { capabilities = ["update"] }`)
	w.template("db", dbTemplate)
	w.start()
	time.Sleep(time.Second)
	synctest.Wait()
}

// unansweredRequest makes an account as a request does whose answer never comes.
func (w *world) unansweredRequest() *vault.Session {
	w.t.Helper()
	base, _ := w.agent.sessions.Get()
	own, err := w.agent.ownToken(credsRequest)(w.t.Context(), base)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := own.Fetch(w.t.Context(), credsRequest); err != nil {
		w.t.Fatal(err)
	}
	return own
}

// stillborn is a run that is killed as soon as it has read the state and saved
// it, before anything was asked of Vault.
func (w *world) stillborn(f func(a *Agent)) {
	w.t.Helper()
	a, diags := New(w.options())
	if diags.HasErrors() {
		w.t.Fatal(diags)
	}
	a.ctx = w.t.Context()
	if err := a.openState(); err != nil {
		w.t.Fatal(err)
	}
	f(a)
	a.unsaved = true
	a.save()
	if err := a.store.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// A run that is killed before its token was looked up leaves it to the next.
func TestKilledWhileResuming(t *testing.T) {
	bubble(t, setup{leaseTTL: "1h", leaseMax: "2h"}, func(w *world) {
		w.owning()
		w.crash()
		for range 3 {
			w.stillborn(func(*Agent) {})
		}
		w.vault.ResetRequests()
		w.start()
		time.Sleep(time.Second)
		synctest.Wait()
		if n := w.asked("login") + w.asked("creds"); n != 0 {
			t.Errorf("the state was lost: %v", w.vault.Requests())
		}
	})
}

// Every crash in a row may leave a request unanswered.
func TestAllUnansweredAreRevoked(t *testing.T) {
	bubble(t, setup{leaseTTL: "1h", leaseMax: "2h"}, func(w *world) {
		w.owning()
		w.unansweredRequest()
		second := w.unansweredRequest()
		_ = w.agent.do(w.t.Context(), func() {
			delete(w.agent.asked, second)
			w.agent.unsaved = true
			w.agent.save()
		})
		w.crash()
		w.stillborn(func(a *Agent) {
			a.asked[second] = state.InFlight{
				Method: credsRequest.Method, Path: credsRequest.Path, Own: state.Hide(second.Token().Reveal()), At: time.Now(),
			}
		})
		if n := len(w.db.Users()); n != 3 {
			t.Fatalf("%d accounts", n)
		}
		w.start()
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(w.db.Users()); n != 1 || !w.alive("db") {
			t.Errorf("%d accounts\n%s", n, w.log.String())
		}
	})
}

// Nothing is leased before what a crash left was revoked, unless that takes too
// long.
func TestRevokedBeforeLeasedAnew(t *testing.T) {
	for name, slow := range map[string]time.Duration{"slow": time.Second, "too slow": 20 * time.Second} {
		t.Run(name, func(t *testing.T) {
			bubble(t, setup{leaseTTL: "4m", leaseMax: "4m"}, func(w *world) {
				w.owning()
				w.unansweredRequest()
				w.crash()
				w.put("sys/leases/revoke-prefix/database/creds/app", nil) // so that there is something to lease
				var mu sync.Mutex
				var order []string
				note := func(what string) {
					mu.Lock()
					defer mu.Unlock()
					order = append(order, what)
				}
				w.vault.SetFault(func(r *http.Request) (int, bool) {
					if strings.HasSuffix(r.URL.Path, "revoke-self") {
						time.Sleep(slow)
						note("revoked")
					}
					if strings.HasPrefix(r.URL.Path, "/v1/database/creds/") {
						note("leased")
					}
					return 0, false
				})
				w.start()
				time.Sleep(10 * time.Second)
				synctest.Wait()
				want := []string{"revoked", "leased"}
				if slow > owedTime {
					want = []string{"leased"}
				}
				mu.Lock()
				if !slices.Equal(order, want) {
					t.Errorf("%v, not %v\n%s", order, want, w.log.String())
				}
				mu.Unlock()
				w.vault.SetFault(nil)
			})
		})
	}
}

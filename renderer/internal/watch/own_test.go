package watch_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"vault-renderer/renderer/internal/vault"
	"vault-renderer/renderer/internal/watch"
)

const (
	childPath  = "auth/token/create"
	endPath    = "auth/token/revoke-self"
	prolong    = "auth/token/renew-self"
	revokePath = "sys/leases/revoke"
)

// children makes tokens canary-own-1, canary-own-2 ... of the given life.
func children(s *server, ttl int) {
	n := 0
	s.other = map[string]func() (int, string){
		childPath: func() (int, string) {
			n++
			return 200, fmt.Sprintf(`{"auth":{"client_token":"canary-own-%d"}}`, n)
		},
		standingPath: always(200, fmt.Sprintf(`{"data":{"ttl":%d,"renewable":true}}`, ttl)),
		prolong:      always(200, fmt.Sprintf(`{"auth":{"client_token":"canary-own","lease_duration":%d,"renewable":true}}`, ttl)),
		endPath:      always(204, ""),
		revokePath:   always(204, ""),
	}
	s.renew = always(200, renewed(600))
}

// owning runs f beside a Watcher that wants tokens of the lease's own, and gives
// those that it ended.
func owning(t *testing.T, s *server, r vault.Request, f func(w *world, ended *[]string)) {
	var ended []string
	watchingFor(t, s, r, func(w *world) { f(w, &ended) }, func(_ *world, o *watch.Options) {
		o.Own = func(ctx context.Context, s *vault.Session) (*vault.Session, error) { return s.Child(ctx) }
		o.Disown = func(s *vault.Session) { ended = append(ended, s.Token().Reveal()) }
	})
}

func read(path string) vault.Request { return vault.Request{Method: vault.MethodRead, Path: path} }

// by gives the tokens that requests of a kind came with.
func (s *server) by(what string) (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.asked {
		if a.what == what {
			out = append(out, strings.TrimPrefix(a.token, "canary-"))
		}
	}
	return out
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// A leased secret gets a token of its own, is renewed and looked up with it, and
// the next lease gets another one. The first is left to who uses the secret.
func TestOwnToken(t *testing.T) {
	s := &server{read: always(200, leased(600, true, "canary-1"))}
	children(s, 7200)
	owning(t, s, read("secret/x"), func(w *world, ended *[]string) {
		s.set(func() { s.other[lookupPath] = lives(s, 600*time.Second, true) })
		got := w.after(405 * time.Second)
		if u := got[0]; !u.Own || u.Session.Token().Reveal() != "canary-own-1" || u.Session.N != 1 {
			t.Errorf("update %+v", u)
		}
		same(t, "read", s.by("read"), "own-1")
		same(t, "renewed", s.by("renew"), "own-1")
		same(t, "looked up", s.by(lookupPath)[:2], "own-1", "own-1")
		s.set(func() { s.renew = always(200, renewed(100)); delete(s.other, lookupPath) })
		got = values(w.after(500 * time.Second))
		if len(got) != 1 || got[0].Reason != watch.ReasonMaxTTL || got[0].Session.Token().Reveal() != "canary-own-2" {
			t.Fatalf("updates %+v", got)
		}
		same(t, "ended", *ended)
		same(t, "ended", s.by(endPath))
	})
}

// The token of a lease's own is kept alive, and its end is one for the lease.
func TestOwnTokenIsKeptAlive(t *testing.T) {
	s := &server{read: always(200, leased(36000, true, "canary-1"))}
	children(s, 600)
	owning(t, s, read("secret/x"), func(w *world, _ *[]string) {
		w.after(1000 * time.Second)
		equal(t, "token renewed", s.when(prolong), 400, 800)
		s.set(func() {
			s.other[prolong] = always(200, `{"auth":{"client_token":"canary-own","lease_duration":200,"renewable":true}}`)
		})
		got := values(w.after(400 * time.Second)) // renewed at 1200 s, ends at 1400 s
		if len(got) != 1 || got[0].Reason != watch.ReasonToken {
			t.Fatalf("updates %+v", got)
		}
		equal(t, "read", s.when("read"), 0, 1340)
	})
}

// A lease's own token that Vault has ended is the end of the lease, and no reason
// to log in again.
func TestOwnTokenIsRevoked(t *testing.T) {
	s := &server{read: always(200, leased(600, true, "canary-1"))}
	children(s, 7200)
	owning(t, s, read("secret/x"), func(w *world, _ *[]string) {
		w.after(10 * time.Second)
		s.set(func() { s.other[lookupPath] = always(403, noTokenBody) })
		w.watcher.Check()
		got := values(w.after(0))
		if len(got) != 1 || got[0].Reason != watch.ReasonRevoked || w.refused != 0 {
			t.Errorf("updates %+v, refused %d", got, w.refused)
		}
		same(t, "read", s.by("read"), "own-1", "own-2")
	})
}

// An answer without a lease needs no token of its own, nor do the ones after it.
func TestOwnTokenWithoutLease(t *testing.T) {
	s := &server{read: always(200, `{"data":{"k":"canary-1"}}`)}
	children(s, 7200)
	owning(t, s, read("secret/x"), func(w *world, ended *[]string) {
		got := w.after(601 * time.Second)
		if len(got) != 1 || got[0].Own || got[0].Session.Token().Reveal() != "canary-token-1" {
			t.Errorf("updates %+v", got)
		}
		same(t, "ended", *ended, "canary-own-1")
		same(t, "ended", s.by(endPath), "own-1")
		same(t, "read", s.by("read"), "own-1", "token-1", "token-1")
	})
}

// What can't be leased, or would end with the token, is asked for without one.
func TestNoOwnToken(t *testing.T) {
	kv := func(s *server) {
		s.other["sys/internal/ui/mounts/secret/x"] = always(200, `{"data":{"path":"secret/","type":"kv"}}`)
	}
	for name, c := range map[string]struct {
		r   vault.Request
		set func(*server)
	}{
		"key/value":   {read("secret/x"), kv},
		"a token":     {vault.Request{Method: vault.MethodWrite, Path: "auth/other/x"}, nil},
		"a cubbyhole": {read("cubbyhole/x"), nil},
		"a list":      {vault.Request{Method: vault.MethodList, Path: "x"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{read: always(200, `{"data":{"k":"canary-1"}}`)}
			children(s, 7200)
			if c.set != nil {
				c.set(s)
			}
			owning(t, s, c.r, func(w *world, _ *[]string) {
				w.after(400 * time.Second)
				equal(t, "tokens made", s.when(childPath))
				same(t, "read", s.by("read"), "token-1", "token-1")
			})
		})
	}
}

// Without leave to make tokens the shared one serves, which is said once.
func TestOwnTokenDenied(t *testing.T) {
	for _, status := range []int{403, 400} {
		s := &server{read: always(200, leased(60, false, "canary-1"))}
		children(s, 7200)
		s.other[childPath] = always(status, deniedBody)
		owning(t, s, read("secret/x"), func(w *world, _ *[]string) {
			got := values(w.after(10 * time.Minute))
			if len(got) < 10 || got[0].Own || got[0].Err != nil {
				t.Errorf("%d updates", len(got))
			}
			w.session(2)
			w.after(time.Minute)
			equal(t, "tried", s.when(childPath), 0, 600)
			if n := strings.Count(w.log.String(), `path \"auth/token/create\" { capabilities = [\"update\"] }`); n != 1 {
				t.Errorf("said %d times", n)
			}
		})
	}
}

// A token that no lease came to hang on is ended. When Vault says that it did
// nothing, it serves for the next try.
func TestOwnTokenOfFailedFetch(t *testing.T) {
	for name, c := range map[string]struct {
		status      int
		body        string
		made, ended int
	}{
		"denied":    {403, deniedBody, 2, 1},
		"not found": {404, `{"errors":[]}`, 2, 1},
		"database":  {500, `{"errors":["connection refused"]}`, 2, 1},
		"sealed":    {503, `{"errors":["Vault is sealed"]}`, 1, 0},
		"busy":      {429, "{}", 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{read: always(c.status, c.body)}
			children(s, 7200)
			owning(t, s, read("secret/x"), func(w *world, ended *[]string) {
				w.after(100 * time.Millisecond)
				s.set(func() { s.read = always(200, leased(600, true, "canary-1")) })
				w.after(time.Second)
				if len(s.when(childPath)) != c.made || len(*ended) != c.ended {
					t.Errorf("%d made, %q ended", len(s.when(childPath)), *ended)
				}
				if last := s.by("read"); last[len(last)-1] != fmt.Sprint("own-", c.made) {
					t.Errorf("read with %q", last)
				}
			})
		})
	}
}

// A token that could not be ended serves for the next try, so that none is left
// behind; the end of the Watcher ends the last.
func TestOwnTokensDoNotPileUp(t *testing.T) {
	s := &server{read: always(500, `{"errors":["connection refused"]}`)}
	children(s, 7200)
	s.other[endPath] = always(500, "{}")
	owning(t, s, read("secret/x"), func(w *world, ended *[]string) {
		w.after(time.Minute)
		equal(t, "made", s.when(childPath), 0)
		s.set(func() { s.other[endPath] = always(204, "") })
		w.stop()
		same(t, "ended", *ended, "canary-own-1")
	})
}

// Own fails as Vault does: it is a failed try like any other.
func TestOwnTokenWhileAway(t *testing.T) {
	s := &server{read: always(200, leased(600, true, "canary-1"))}
	children(s, 7200)
	s.other[childPath] = always(403, noTokenBody)
	owning(t, s, read("secret/x"), func(w *world, _ *[]string) {
		got := w.after(time.Second)
		if len(got) == 0 || got[0].Tries != 1 || w.refused == 0 || len(s.when("read")) != 0 {
			t.Errorf("updates %+v", got)
		}
	})
}

// A token that was made and could not be noted is ended.
func TestOwnTokenThatCouldNotBeNoted(t *testing.T) {
	s := &server{read: always(200, leased(600, true, "canary-1"))}
	children(s, 7200)
	watchingFor(t, s, read("secret/x"), func(w *world) {
		got := w.after(time.Second)
		if len(got) == 0 || got[0].Err == nil || len(s.when("read")) != 0 {
			t.Errorf("updates %+v", got)
		}
		if made, ended := s.when(childPath), s.by(endPath); len(ended) != len(made) || ended[0] != "own-1" {
			t.Errorf("%d made, ended: %q", len(made), ended)
		}
	}, func(_ *world, o *watch.Options) {
		o.Own = func(ctx context.Context, s *vault.Session) (*vault.Session, error) {
			own, err := s.Child(ctx)
			return own, errors.Join(err, errors.New("the state can't be saved"))
		}
	})
}

// A lease that came when nobody wanted it any more is ended.
func TestLeaseThatComesTooLate(t *testing.T) {
	s := &server{read: always(200, leased(600, true, "canary-1"))}
	children(s, 7200)
	watchingFor(t, s, read("secret/x"), func(w *world) {
		w.after(time.Second)
		w.stop()
		equal(t, "revoked", s.when(revokePath), 1)
	}, func(w *world, _ *watch.Options) { w.out = make(chan watch.Update) })
}

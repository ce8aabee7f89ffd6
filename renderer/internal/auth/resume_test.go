package auth_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"vault-renderer/renderer/internal/auth"
	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// stands answers a look-up.
func stands(ttl int) func() (int, string) {
	return always(200, fmt.Sprintf(`{"data":{"id":"x","ttl":%d,"renewable":true}}`, ttl))
}

// before is a token of an earlier run that was granted a while ago.
func before(ttl, ago time.Duration) *vault.Auth {
	return &vault.Auth{
		ClientToken: vault.NewToken("canary-before"), Accessor: "before",
		TTL: lease.Lease{TTL: ttl, Renewable: true, IssuedAt: time.Now().Add(-ago)},
	}
}

// resuming runs a Keeper that takes up a token.
func resuming(t *testing.T, s *server, ttl, ago time.Duration, o auth.Options, f func(w *world)) {
	t.Helper()
	keepingMade(t, s, lives(time.Minute, true), func() auth.Options {
		o.Resume = before(ttl, ago)
		return o
	}, f)
}

// A token that is still good is published at once and looked up; nobody logs
// in, and it is renewed when it would have been.
func TestResume(t *testing.T) {
	s := &server{renew: func() (int, string) { return granted(60) }, lookup: stands(40)}
	resuming(t, s, time.Minute, 20*time.Second, auth.Options{}, func(w *world) {
		got := w.after(0)
		if len(got) != 1 || !got[0].Resumed || got[0].Reason != "" || got[0].Token.Reveal() != "canary-before" || got[0].Auth.Accessor != "before" || got[0].Session.N != 1 {
			t.Errorf("%+v", got)
		}
		w.want("look up 0")
		w.after(25 * time.Second)
		w.want("look up 0, renew 20")
		if len(w.lives) != 1 || w.lives[0].Lease.TTL != time.Minute || w.lives[0].Last {
			t.Errorf("lives %+v", w.lives)
		}
	})
}

// One that has ended, or that Vault does not know, leads to a login at once.
func TestResumeDead(t *testing.T) {
	for name, c := range map[string]struct {
		ago    time.Duration
		answer string
		asked  string
		reason string
		events int
	}{
		"expired": {time.Minute, "", "login 0", "expired", 1},
		"invalid": {time.Second, `{"errors":["permission denied","invalid token"]}`, "look up 0, login 0", "revoked", 2},
		"denied":  {time.Second, `{"errors":["permission denied"]}`, "look up 0, login 0", "revoked", 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{lookup: always(403, c.answer)}
			resuming(t, s, time.Minute, c.ago, auth.Options{}, func(w *world) {
				got := w.after(time.Second)
				w.want(c.asked)
				if last := got[len(got)-1]; len(got) != c.events || last.Resumed || last.Reason != c.reason || last.Token.Reveal() != "canary-token-1" {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

// While Vault is away the token stays in use and is looked up again and again,
// until it has ended.
func TestResumeWhileAway(t *testing.T) {
	s := &server{lookup: always(500, `{"errors":["storage"]}`), renew: always(500, `{"errors":["storage"]}`)}
	resuming(t, s, 10*time.Minute, time.Minute, auth.Options{}, func(w *world) {
		got := w.after(20 * time.Second)
		w.want("look up 0, look up 1, look up 3, look up 7, look up 15")
		s.set(func() { s.lookup = stands(500) })
		got = append(got, w.after(40*time.Second)...)
		w.want("look up 0, look up 1, look up 3, look up 7, look up 15, look up 30")
		if len(got) != 1 {
			t.Errorf("%+v", got)
		}
	})
	s = &server{lookup: always(500, `{}`), renew: always(500, `{}`)}
	resuming(t, s, time.Minute, 20*time.Second, auth.Options{}, func(w *world) {
		got := w.after(39 * time.Second)
		if len(got) != 1 || !got[0].Resumed {
			t.Errorf("%+v", got)
		}
		if got = w.after(2 * time.Second); len(got) != 1 || got[0].Reason != "expired" {
			t.Errorf("%+v", got)
		}
	})
}

// Full and last go on counting.
func TestResumeLast(t *testing.T) {
	s := &server{lookup: stands(30)}
	resuming(t, s, 30*time.Second, 0, auth.Options{ResumeFull: time.Minute, ResumeLast: true}, func(w *world) {
		got := w.after(15 * time.Second)
		w.want("look up 0, login 10") // a third of a full life before the end
		if len(got) != 2 || got[1].Reason != "token_max_ttl" || *got[0].Life != (auth.Life{Lease: got[0].Auth.TTL, Full: time.Minute, Last: true}) {
			t.Errorf("%+v", got)
		}
	})
}

// Vault says that less is left than was known: the plan follows.
func TestResumeLess(t *testing.T) {
	s := &server{lookup: stands(300), renew: func() (int, string) { return granted(600) }}
	resuming(t, s, time.Hour, time.Minute, auth.Options{}, func(w *world) {
		w.after(201 * time.Second)
		w.want("look up 0, renew 200")
		if len(w.lives) != 2 || w.lives[0].Lease.TTL != 5*time.Minute || w.lives[0].Full != time.Hour || !w.lives[1].Last {
			t.Errorf("lives %+v", w.lives)
		}
	})
}

// Tokens are looked up a tenth of their life apart, never more often than every
// ten seconds or less often than every five minutes; a renewal counts too.
func TestLookUps(t *testing.T) {
	for ttl, want := range map[int]string{
		60:     "login 0, look up 10, look up 20, look up 30, renew 40, look up 50",
		300:    "login 0, look up 30",
		360000: "login 0",
	} {
		s := &server{renew: func() (int, string) { return granted(ttl) }}
		s.lookup = func() (int, string) { return stands(ttl - int(time.Since(s.start).Seconds())%40)() }
		keeping(t, s, lives(time.Duration(ttl)*time.Second, true), auth.Options{Lookup: automatic}, func(w *world) {
			w.after(59 * time.Second)
			w.want(want)
			if ttl == 360000 {
				w.after(242 * time.Second)
				w.want("login 0, look up 300")
			}
		})
	}
	s := &server{lookup: stands(0)}
	keeping(t, s, lives(0, false), auth.Options{Lookup: automatic}, func(w *world) {
		w.after(301 * time.Second)
		w.want("login 0, look up 300") // also a token without an end can be revoked
	})
}

// A revoked token is noticed by a look-up, and so is one that may not look
// itself up any more.
func TestLookUpRevoked(t *testing.T) {
	for _, answer := range []string{`{"errors":["permission denied","invalid token"]}`, `{"errors":["permission denied"]}`} {
		s := &server{lookup: stands(590)}
		keeping(t, s, lives(10*time.Minute, true), auth.Options{Lookup: 7 * time.Second}, func(w *world) {
			got := w.after(8 * time.Second)
			s.set(func() { s.lookup = always(403, answer) })
			w.sessions(append(got, w.after(7*time.Second)...), 2)
			w.want("login 0, look up 7, look up 14, login 14")
		})
	}
}

// A token that never could look itself up is left alone; Check asks all the
// same.
func TestLookUpForbidden(t *testing.T) {
	s := &server{lookup: always(403, `{"errors":["permission denied"]}`), renew: func() (int, string) { return granted(600) }}
	keeping(t, s, lives(10*time.Minute, true), auth.Options{Lookup: 7 * time.Second}, func(w *world) {
		w.sessions(w.after(500*time.Second), 1)
		w.want("login 0, look up 7, renew 400")
	})
}

// Why there was a login is told.
func TestReasons(t *testing.T) {
	reasons := func(got []auth.Event) string {
		var all []string
		for _, e := range got {
			all = append(all, e.Reason)
		}
		return strings.Join(all, ", ")
	}
	s := &server{renew: func() (int, string) { return granted(30) }}
	keeping(t, s, lives(time.Minute, true), auth.Options{}, func(w *world) {
		if got := reasons(w.after(55 * time.Second)); got != "first, token_max_ttl" {
			t.Error(got)
		}
	})
	s = &server{renew: always(403, `{"errors":["permission denied"]}`)}
	keeping(t, s, lives(time.Minute, true), auth.Options{}, func(w *world) {
		if got := reasons(w.after(45 * time.Second)); got != "first, not renewable" {
			t.Error(got)
		}
	})
	s = &server{renew: always(500, `{}`)}
	keeping(t, s, lives(time.Minute, true), auth.Options{}, func(w *world) {
		if got := reasons(w.after(61 * time.Second)); got != "first, expired" {
			t.Error(got)
		}
	})
	watching(t, &server{}, lives(time.Minute, true), true, []int{5}, func(w *world) {
		if got := reasons(w.after(6 * time.Second)); got != "first, new credentials" {
			t.Error(got)
		}
	})
}

// A login that fails after a resumed token has ended: the Keeper goes on.
func TestResumeThenRefused(t *testing.T) {
	s := &server{lookup: always(403, `{"errors":["bad token"]}`)}
	login := func(n int) (*vault.Auth, error) {
		if n < 3 {
			return nil, errors.New("no")
		}
		return lives(time.Minute, true)(n)
	}
	keepingMade(t, s, login, func() auth.Options { return auth.Options{Resume: before(time.Hour, 0)} }, func(w *world) {
		got := w.after(10 * time.Second)
		w.want("look up 0, login 0, login 1, login 3")
		if len(got) != 4 || got[3].Session == nil || got[3].Session.N != 2 || got[3].Reason != "revoked" {
			t.Errorf("%+v", got)
		}
	})
}

// A look-up that Vault did not answer is tried again soon: much may have
// happened to the token meanwhile.
func TestLookUpWhileAway(t *testing.T) {
	s := &server{lookup: always(500, `{"errors":["storage"]}`)}
	keeping(t, s, lives(time.Hour, true), auth.Options{Lookup: automatic}, func(w *world) {
		w.after(310 * time.Second)
		w.want("login 0, look up 300, look up 301, look up 303, look up 307")
		s.set(func() { s.lookup = stands(3285) })
		w.after(299 * time.Second)
		w.want("login 0, look up 300, look up 301, look up 303, look up 307, look up 315")
	})
}

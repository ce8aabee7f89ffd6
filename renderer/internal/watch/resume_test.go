package watch_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
	"vault-renderer/renderer/internal/watch"
)

// earlier is a leased value of an earlier run, granted so long ago.
func earlier(ttl, ago time.Duration) *vault.Secret {
	return &vault.Secret{
		Data:  vault.NewData(map[string]any{"password": "canary-old"}),
		Lease: lease.Lease{ID: "secret/x/canary-lease", TTL: ttl, Renewable: true, IssuedAt: time.Now().Add(-ago).Round(0)},
	}
}

// resuming runs f beside a Watcher that resumes what with gives.
func resuming(t *testing.T, s *server, r vault.Request, with func(*world) *watch.Resume, f func(w *world)) {
	watchingFor(t, s, r, f, func(w *world, o *watch.Options) { o.Resume = with(w) })
}

// A lease of an earlier run that is alive goes on: nothing is asked for but how
// it stands, and it is renewed in its time.
func TestResume(t *testing.T) {
	s := &server{renew: always(200, renewed(3600))}
	s.other = lookup(lives(s, 50*time.Minute, true))
	resuming(t, s, read("secret/x"), func(*world) *watch.Resume {
		return &watch.Resume{Secret: earlier(time.Hour, 10*time.Minute), Full: 2 * time.Hour}
	}, func(w *world) {
		got := w.after(time.Second)
		if len(got) != 2 || !got[0].Resumed || !got[0].Local || got[0].Reason != watch.ReasonResumed || !strings.Contains(fullSecret(got[0]), "canary-old") {
			t.Fatalf("updates %+v", got)
		}
		if got[1].Secret != nil || got[1].Full != 2*time.Hour || got[1].Lease.ExpiresAt().Sub(s.start).Round(time.Second) != 50*time.Minute {
			t.Errorf("update %+v", got[1])
		}
		equal(t, "looked up", s.when(lookupPath), 0)
		w.after(30 * time.Minute)
		equal(t, "renewed", s.when("renew"), 1800)
		equal(t, "read", s.when("read"))
	})
}

// What has ended meanwhile is replaced.
func TestResumeOfEndedLease(t *testing.T) {
	s := &server{read: always(200, leased(600, true, "canary-new")), other: lookup(always(400, goneBody))}
	resuming(t, s, read("secret/x"), func(*world) *watch.Resume {
		return &watch.Resume{Secret: earlier(time.Hour, 10*time.Minute)}
	}, func(w *world) {
		got := values(w.after(time.Second))
		if len(got) != 2 || got[1].Reason != watch.ReasonRevoked || got[1].Resumed || !strings.Contains(fullSecret(got[1]), "canary-new") {
			t.Errorf("updates %+v", got)
		}
	})
}

// Another token took the place of the one that the lease hangs on.
func TestResumeWithAnotherToken(t *testing.T) {
	s := &server{read: always(200, leased(600, true, "canary-new"))}
	resuming(t, s, read("secret/x"), func(w *world) *watch.Resume {
		return &watch.Resume{Secret: earlier(time.Hour, 10*time.Minute), Session: w.with("canary-token-7", 7)}
	}, func(w *world) {
		got := values(w.after(time.Second))
		if len(got) != 2 || got[0].Session.N != 7 || got[1].Reason != watch.ReasonToken || got[1].Session.N != 1 {
			t.Errorf("updates %+v", got)
		}
	})
}

// A token of the lease's own goes on too.
func TestResumeOfOwnToken(t *testing.T) {
	s := &server{}
	children(s, 7200)
	s.other[lookupPath] = lives(s, 50*time.Minute, true)
	resuming(t, s, read("secret/x"), func(w *world) *watch.Resume {
		return &watch.Resume{Secret: earlier(time.Hour, 10*time.Minute), Session: w.with("canary-own-0", 1), Own: true}
	}, func(w *world) {
		if got := w.after(31 * time.Minute); !got[0].Own || len(values(got)) != 1 {
			t.Errorf("updates %+v", got)
		}
		same(t, "looked up", s.by(lookupPath)[:1], "own-0")
		same(t, "token looked up", s.by(standingPath), "own-0")
		same(t, "renewed", s.by("renew"), "own-0")
	})
}

// While Vault is away the value stays in use and the look-up is tried again;
// what ends meanwhile is asked for anew.
func TestResumeWhileAway(t *testing.T) {
	s := &server{read: always(503, "{}"), renew: always(503, "{}"), other: lookup(always(503, "{}"))}
	resuming(t, s, read("secret/x"), func(*world) *watch.Resume {
		return &watch.Resume{Secret: earlier(10*time.Minute, 3*time.Minute)}
	}, func(w *world) {
		if got := w.after(3 * time.Minute); len(got) != 1 {
			t.Errorf("updates %+v", got)
		}
		if n := len(s.when(lookupPath)); n < 30 {
			t.Errorf("looked up %d times", n)
		}
		got := w.after(5 * time.Minute) // renewals fail from 220 s on, its end is at 420 s
		if len(values(got)) != 0 || len(s.when("read")) == 0 || s.when("read")[0] < 419 || s.when("read")[0] > 426 {
			t.Errorf("read at %v", s.when("read"))
		}
		s.set(func() { s.read = always(200, leased(600, true, "canary-new")) })
		if got := values(w.after(6 * time.Second)); len(got) != 1 || got[0].Reason != watch.ReasonExpired {
			t.Errorf("updates %+v", got)
		}
	})
}

// Before there is a session the value is in use all the same.
func TestResumeBeforeLogin(t *testing.T) {
	s := &server{}
	resuming(t, s, read("secret/x"), func(w *world) *watch.Resume {
		w.sessions = &watch.Sessions{} // not the Watcher's: there is no login
		return &watch.Resume{Secret: earlier(time.Hour, time.Minute)}
	}, func(w *world) {
		if got := w.after(time.Minute); len(got) != 1 || !got[0].Resumed || len(s.asked) != 0 {
			t.Errorf("updates %+v", got)
		}
	})
}

// Without leave to look the lease up it is renewed instead.
func TestResumeWithoutLookup(t *testing.T) {
	s := &server{renew: always(200, renewed(3600)), other: lookup(always(403, deniedBody))}
	resuming(t, s, read("secret/x"), func(*world) *watch.Resume {
		return &watch.Resume{Secret: earlier(time.Hour, time.Minute)}
	}, func(w *world) {
		w.after(time.Minute)
		equal(t, "looked up", s.when(lookupPath), 0)
		equal(t, "renewed", s.when("renew"), 1)
		equal(t, "read", s.when("read"))
	})
}

// A lease that no renewal prolongs is replaced when it was to be.
func TestResumeOfLastLife(t *testing.T) {
	s := &server{read: always(200, leased(3600, true, "canary-new"))}
	s.other = lookup(lives(s, 20*time.Minute, true))
	resuming(t, s, read("secret/x"), func(*world) *watch.Resume {
		return &watch.Resume{Secret: earlier(30*time.Minute, 10*time.Minute), Full: time.Hour, Last: true}
	}, func(w *world) {
		got := values(w.after(841 * time.Second))
		if len(got) != 2 || got[1].Reason != watch.ReasonMaxTTL {
			t.Errorf("updates %+v", got)
		}
		equal(t, "read", s.when("read"), 840) // 6 min before its end
		equal(t, "renewed", s.when("renew"))
	})
}

// What has no lease goes on until its time, counted from when it was read.
func TestResumeWithoutLease(t *testing.T) {
	write := vault.Request{Method: vault.MethodWrite, Path: "kv/x", Params: `{"k":"canary-1"}`}
	for name, c := range map[string]struct {
		r    vault.Request
		data map[string]any
		ago  time.Duration
		want []float64
	}{
		"read just now":   {read("secret/x"), map[string]any{"k": "v"}, time.Minute, []float64{240, 540}},
		"read long ago":   {read("secret/x"), map[string]any{"k": "v"}, time.Hour, []float64{0, 300}},
		"written":         {write, map[string]any{"k": "v"}, 4 * time.Minute, []float64{60, 360}},
		"a secret_id":     {write, map[string]any{"secret_id": "v", "secret_id_ttl": num(999)}, 800 * time.Second, []float64{100, 400}},
		"a static role":   {read("secret/x"), map[string]any{"password": "v", "ttl": num(100), "rotation_period": num(100)}, time.Minute, []float64{41, 341}},
		"one that is due": {read("secret/x"), map[string]any{"password": "v", "ttl": num(100), "rotation_period": num(100)}, time.Hour, []float64{0, 300}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{read: always(200, `{"data":{"k":"canary-1"}}`)}
			resuming(t, s, c.r, func(*world) *watch.Resume {
				return &watch.Resume{Secret: &vault.Secret{Data: vault.NewData(c.data), Lease: lease.Lease{IssuedAt: time.Now().Add(-c.ago).Round(0)}}}
			}, func(w *world) {
				w.after(time.Duration(c.want[1]+1) * time.Second)
				equal(t, "asked", s.when("read"), c.want...)
			})
		})
	}
}

// A certificate of an earlier run is used until it is due, also without a file.
func TestResumeOfCertificate(t *testing.T) {
	for ago, asked := range map[time.Duration]int{100 * time.Second: 0, 950 * time.Second: 1} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now().Add(-ago)
			s := &server{start: time.Now(), read: always(200, certAt(t, time.Now(), 1000*time.Second))}
			client, err := vault.New(vault.Options{Address: "http://vault", Transport: s})
			if err != nil {
				t.Fatal(err)
			}
			old := watch.Resume{Secret: &vault.Secret{Data: vault.NewData(map[string]any{"cert": pemOf(t, certAt(t, begin, 1000*time.Second))})}}
			a := &authority{world: &world{t: t, s: s, client: client, sessions: &watch.Sessions{}, out: make(chan watch.Update, 100)}}
			a.sessions.Set(a.with("canary-token-1", 1))
			a.resume = &old
			a.start("pki/issue/web", "common_name", "a.example.com")
			got := a.after(time.Second)
			if n := len(s.when("read")); n != asked || len(got) != 1 || got[0].Resumed != (asked == 0) {
				t.Errorf("%v: asked %d times, updates %+v", ago, n, got)
			}
			a.stop()
		})
	}
}

func num(n int) any { return json.Number(fmt.Sprint(n)) }

// pemOf is the certificate in an answer.
func pemOf(t *testing.T, body string) string {
	t.Helper()
	var answer struct{ Data map[string]string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Data["certificate"]
}

package watch_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vault-renderer/renderer/internal/vault"
	"vault-renderer/renderer/internal/watch"
)

const (
	lookupPath   = "sys/leases/lookup"
	standingPath = "auth/token/lookup-self"
	deniedBody   = `{"errors":["permission denied"]}`
	noTokenBody  = `{"errors":["permission denied","invalid token"]}`
	goneBody     = `{"errors":["invalid lease"]}`
)

// lives answers look-ups of a lease that ends so long after the test began.
func lives(s *server, until time.Duration, renewable bool) func() (int, string) {
	return func() (int, string) {
		left := until - time.Since(s.start)
		if left <= 0 {
			return 400, goneBody
		}
		return 200, fmt.Sprintf(`{"data":{"id":"secret/x/canary-lease","ttl":%d,"renewable":%v}}`, int(left.Seconds()), renewable)
	}
}

func lookup(f func() (int, string)) map[string]func() (int, string) {
	return map[string]func() (int, string){lookupPath: f}
}

func values(all []watch.Update) (out []watch.Update) {
	for _, u := range all {
		if u.Secret != nil {
			out = append(out, u)
		}
	}
	return out
}

// A lease is looked up at a tenth of its life, never more often than every 10 s
// nor less than every 5 min, or as configured; a renewal is as good.
func TestLookupCadence(t *testing.T) {
	for name, c := range map[string]struct {
		ttl    int
		lookup time.Duration
		want   []float64
	}{
		"a tenth":          {600, 0, []float64{60, 120, 180, 240, 300, 360, 460}},
		"10 s at least":    {60, 0, []float64{10, 20, 30, 50, 60, 70, 90}},
		"5 min at most":    {36000, 0, []float64{300, 600, 900, 1200}},
		"as configured":    {600, 150 * time.Second, []float64{150, 300, 550}},
		"off":              {600, -1, nil},
		"nothing to learn": {6, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{read: always(200, leased(c.ttl, true, "canary-1")), renew: always(200, renewed(c.ttl))}
			s.other = lookup(func() (int, string) { // always as the last renewal left it
				last := 0.0
				for _, a := range s.asked {
					if a.what == "renew" {
						last = a.at.Seconds()
					}
				}
				return 200, fmt.Sprintf(`{"data":{"ttl":%d,"renewable":true}}`, int(last)+c.ttl-int(time.Since(s.start).Seconds()))
			})
			watchingFor(t, s, vault.Request{Method: vault.MethodRead, Path: "secret/x"}, func(w *world) {
				end := 100.0
				if n := len(c.want); n > 0 {
					end = c.want[n-1]
				}
				got := w.after(time.Duration(end)*time.Second + time.Second)
				equal(t, "looked up", s.when(lookupPath), c.want...)
				if len(values(got)) != 1 || len(got) != 1+len(c.want)+len(s.when("renew")) {
					t.Errorf("%d updates", len(got))
				}
				for _, at := range s.when("renew") { // a look-up puts off no renewal
					if n := at / float64(c.ttl) * 1.5; n-float64(int(n+0.1)) > 0.01 {
						t.Errorf("renewed at %v s", at)
					}
				}
			}, func(_ *world, o *watch.Options) { o.Lookup = c.lookup })
		})
	}
}

// The first look-ups of many are spread over all of the interval, the next ones
// less.
func TestLookupJitter(t *testing.T) {
	for _, r := range []float64{0, 0.5, 0.999} {
		s := &server{read: always(200, leased(3600, true, "canary-1")), other: lookup(nil)}
		s.other = lookup(lives(s, time.Hour, true))
		watchingFor(t, s, vault.Request{Method: vault.MethodRead, Path: "secret/x"}, func(w *world) {
			w.after(10 * time.Minute)
			first := max(300*(1-r), 1)
			equal(t, "looked up", s.when(lookupPath)[:2], first, first+300*(1-0.1*r))
		}, func(_ *world, o *watch.Options) { o.Policy.Rand = func() float64 { return r } })
	}
}

// Credentials whose lease Vault has ended are replaced at the next look-up.
func TestLookupFindsRevokedLease(t *testing.T) {
	s := &server{read: always(200, leased(600, true, "canary-1"))}
	s.other = lookup(lives(s, 600*time.Second, true))
	watching(t, s, func(w *world) {
		w.after(100 * time.Second)
		s.set(func() { s.other = lookup(always(400, goneBody)); s.read = always(200, leased(600, true, "canary-2")) })
		got := values(w.after(21 * time.Second))
		if len(got) != 1 || got[0].Reason != watch.ReasonRevoked || !strings.Contains(fullSecret(got[0]), "canary-2") {
			t.Errorf("updates %+v", got)
		}
		equal(t, "read", s.when("read"), 0, 120)
		if !strings.Contains(w.log.String(), "ended the lease early") {
			t.Error("nothing said")
		}
	})
}

// Leases that end as soon as they come are not asked for without end.
func TestNoStormOfRevokedLeases(t *testing.T) {
	s := &server{read: always(200, leased(600, true, "canary-1")), other: lookup(always(400, goneBody))}
	watching(t, s, func(w *world) {
		for range 600 {
			w.after(time.Second)
			w.watcher.Check()
		}
		if n := len(s.when("read")); n < 5 || n > 20 { // 1 s, doubling up to a minute
			t.Errorf("read %d times in 10 min", n)
		}
	})
}

// A look-up that shows less life than believed moves the renewal.
func TestLookupShowsLessLife(t *testing.T) {
	s := &server{read: always(200, leased(3600, true, "canary-1")), renew: always(200, renewed(3600))}
	s.other = lookup(lives(s, 900*time.Second, true))
	watching(t, s, func(w *world) {
		got := w.after(605 * time.Second)
		equal(t, "renewed", s.when("renew"), 540) // with the overlap of an hour to go
		if len(got) < 2 || got[1].Lease.ExpiresAt().Sub(s.start).Round(time.Second) != 900*time.Second || got[1].Full != time.Hour {
			t.Errorf("updates %+v", got)
		}
	})
}

// A lease that a look-up shows as not renewable is replaced before its end.
func TestLookupShowsNotRenewable(t *testing.T) {
	s := &server{read: always(200, leased(600, true, "canary-1"))}
	s.other = lookup(lives(s, 600*time.Second, false))
	watching(t, s, func(w *world) {
		got := values(w.after(541 * time.Second))
		if len(got) != 2 || got[1].Reason != watch.ReasonNotRenewable {
			t.Errorf("updates %+v", got)
		}
		equal(t, "read", s.when("read"), 0, 540)
	})
}

// A look-up that is not answered is no event: the next one comes in its turn, or
// when Vault says.
func TestLookupNotAnswered(t *testing.T) {
	for name, answer := range map[string]func() (int, string){
		"storage": always(500, `{"errors":["storage"]}`), "sealed": always(503, `{"errors":["Vault is sealed"]}`),
		"no ttl": always(200, `{"data":{}}`),
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{read: always(200, leased(600, true, "canary-1")), other: lookup(answer)}
			watching(t, s, func(w *world) {
				if got := w.after(300 * time.Second); len(got) != 1 {
					t.Errorf("%d updates", len(got))
				}
				equal(t, "looked up", s.when(lookupPath), 60, 120, 180, 240, 300)
				equal(t, "read", s.when("read"), 0)
			})
		})
	}
}

// Without leave to look leases up that is said once, with the line that the
// policy lacks, and not tried again.
func TestLookupDenied(t *testing.T) {
	s := &server{read: always(200, leased(600, true, "canary-1")), renew: always(200, renewed(600)), other: lookup(always(403, deniedBody))}
	watching(t, s, func(w *world) {
		w.after(30 * time.Minute)
		equal(t, "looked up", s.when(lookupPath), 60)
		if n := strings.Count(w.log.String(), `path \"sys/leases/lookup\" { capabilities = [\"update\"] }`); n != 1 {
			t.Errorf("said %d times: %s", n, w.log)
		}
		renewals := len(s.when("renew"))
		w.watcher.Check() // a renewal tells as well
		w.after(0)
		if n := len(s.when("renew")); n != renewals+1 {
			t.Errorf("%d renewals by a check", n-renewals)
		}
		s.set(func() { s.renew = always(400, `{"errors":["lease not found"]}`) })
		w.watcher.Check()
		got := values(w.after(time.Second))
		if len(got) != 1 || got[0].Reason != watch.ReasonRevoked {
			t.Errorf("updates %+v", got)
		}
	})
}

// A token that Vault does not know any more is reported by a look-up.
func TestLookupWithDeadToken(t *testing.T) {
	s := &server{read: always(200, leased(600, true, "canary-1")), other: lookup(always(403, noTokenBody))}
	watching(t, s, func(w *world) {
		got := w.after(70 * time.Second)
		if w.refused != 1 || len(got) != 1 {
			t.Errorf("reported %d times, %d updates", w.refused, len(got))
		}
		w.session(2)
		got = values(w.after(time.Second))
		if len(got) != 1 || got[0].Reason != watch.ReasonToken || got[0].Session.N != 2 {
			t.Errorf("updates %+v", got)
		}
	})
}

// Check looks a lease up at once, and a flood of calls asks once a second.
func TestCheckOfLease(t *testing.T) {
	s := &server{read: always(200, leased(3600, true, "canary-1"))}
	s.other = lookup(lives(s, time.Hour, true))
	watching(t, s, func(w *world) {
		w.after(10 * time.Second)
		w.watcher.Check()
		w.after(0)
		equal(t, "looked up", s.when(lookupPath), 10)
		for range 400 {
			w.watcher.Check()
			w.after(10 * time.Millisecond)
		}
		equal(t, "looked up", s.when(lookupPath), 10, 11, 12, 13, 14)
		s.set(func() { s.other = lookup(always(400, goneBody)) })
		w.after(10 * time.Second)
		w.watcher.Check()
		if got := values(w.after(0)); len(got) != 1 || got[0].Reason != watch.ReasonRevoked {
			t.Errorf("updates %+v", got)
		}
	})
}

// After Check a lease is not trusted until Vault has shown it: a look-up that is
// not answered is tried again soon.
func TestCheckWhileAway(t *testing.T) {
	s := &server{read: always(200, leased(3600, true, "canary-1")), other: lookup(always(500, "{}"))}
	watching(t, s, func(w *world) {
		w.after(10 * time.Second)
		w.watcher.Check()
		if got := w.after(20 * time.Second); len(got) != 0 {
			t.Errorf("%d updates", len(got))
		}
		equal(t, "looked up", s.when(lookupPath), 10, 10.5, 11.5, 13.5, 17.5, 22.5, 27.5)
		s.set(func() { s.other = lookup(lives(s, time.Hour, true)) })
		w.after(10 * time.Second)
		if n := len(s.when(lookupPath)); n != 8 {
			t.Errorf("looked up %d times", n)
		}
	})
}

// Check reads again what has no lease, once a second at most, and what is new
// came by it.
func TestCheckOfStatic(t *testing.T) {
	s := &server{read: always(200, `{"data":{"k":"canary-1"}}`)}
	watching(t, s, func(w *world) {
		w.after(10 * time.Second)
		for range 300 {
			w.watcher.Check()
			w.after(10 * time.Millisecond)
		}
		w.after(time.Minute)
		equal(t, "read", s.when("read"), 0, 10, 11, 12, 13)
		s.set(func() { s.read = always(200, `{"data":{"k":"canary-2"}}`) })
		w.watcher.Check()
		if got := w.after(0); len(got) != 1 || got[0].Reason != watch.ReasonRefresh || !strings.Contains(fullSecret(got[0]), "canary-2") {
			t.Errorf("updates %+v", got)
		}
		s.set(func() { s.read = always(200, `{"data":{"k":"canary-3"}}`) })
		if got := w.after(301 * time.Second); len(got) != 1 || got[0].Reason != watch.ReasonChanged {
			t.Errorf("updates %+v", got)
		}
	})
}

// Check writes nothing again.
func TestCheckOfWrite(t *testing.T) {
	s := &server{read: always(204, "")}
	watchingFor(t, s, vault.Request{Method: vault.MethodWrite, Path: "kv/x", Params: `{"k":"canary-1"}`}, func(w *world) {
		for range 100 {
			w.after(time.Second)
			w.watcher.Check()
		}
		equal(t, "written", s.when("read"), 0)
		w.after(201 * time.Second)
		equal(t, "written", s.when("read"), 0, 300)
	})
}

// Check ends a pause after a failure, but not one that Vault asked for.
func TestCheckDuringPause(t *testing.T) {
	s := &server{read: always(403, deniedBody)}
	watching(t, s, func(w *world) {
		w.after(100 * time.Second)
		before := s.when("read")
		w.watcher.Check()
		w.after(0)
		if n := len(s.when("read")); n != len(before)+1 {
			t.Errorf("asked %d times by a check", n-len(before))
		}
		s.set(func() { s.head = map[string][]string{"Retry-After": {"60"}}; s.read = always(429, "{}") })
		w.after(40 * time.Second)
		before = s.when("read")
		w.watcher.Check()
		w.after(10 * time.Second)
		if !slices.Equal(s.when("read"), before) {
			t.Error("asked in spite of Retry-After")
		}
	})
}

// The lease in use is kept alive while another can't be had.
func TestOldLeaseWhileNewIsRefused(t *testing.T) {
	s := &server{read: always(200, leased(60, true, "canary-1")), renew: always(200, renewed(60))}
	watching(t, s, func(w *world) {
		w.after(10 * time.Second)
		s.set(func() { s.read = always(403, deniedBody) })
		w.session(2) // a new token wants a new lease
		got := w.after(10 * time.Minute)
		if n := len(s.when("renew")); n < 14 {
			t.Errorf("renewed %d times", n)
		}
		for _, u := range got {
			if u.Err == nil || u.Secret != nil || u.Lease.ID == "" || time.Now().After(u.Lease.ExpiresAt().Add(10*time.Minute)) {
				t.Fatalf("update %+v", u)
			}
		}
		s.set(func() { s.read = always(200, leased(60, true, "canary-2")) })
		if got := values(w.after(31 * time.Second)); len(got) != 1 || got[0].Reason != watch.ReasonToken || got[0].Session.N != 2 {
			t.Errorf("updates %+v", got)
		}
	})
}

// Every value says why it was fetched.
func TestReasons(t *testing.T) {
	for want, c := range map[string]struct {
		read, renew func() (int, string)
		after       time.Duration
	}{
		watch.ReasonNotRenewable: {always(200, leased(600, false, "canary-1")), nil, 541 * time.Second},
		watch.ReasonMaxTTL:       {always(200, leased(600, true, "canary-1")), always(200, renewed(200)), 541 * time.Second},
		watch.ReasonRevoked:      {always(200, leased(600, true, "canary-1")), always(400, `{"errors":["lease not found"]}`), 401 * time.Second},
		watch.ReasonExpired:      {always(200, leased(60, true, "canary-1")), always(500, `{}`), 61 * time.Second},
	} {
		s := &server{read: c.read, renew: c.renew}
		watching(t, s, func(w *world) {
			got := values(w.after(c.after))
			if len(got) != 2 || got[1].Reason != want {
				t.Errorf("want %q: %+v", want, got)
			}
		})
	}
}

package watch_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vault-renderer/renderer/internal/watch"
)

// role is a static role whose password Vault changes.
type role struct {
	n       int
	next    time.Duration // since the test's start: when the ttl ends
	stamped bool
}

func (r *role) answer(s *server) (int, string) {
	ttl := int((r.next - time.Since(s.start)).Seconds())
	stamp := ""
	if r.stamped {
		stamp = fmt.Sprintf(`,"last_vault_rotation":"2026-01-01T00:00:%02dZ"`, r.n)
	}
	return 200, fmt.Sprintf(`{"data":{"password":"canary-%d","ttl":%d,"rotation_period":100%s}}`, r.n, max(ttl, 0), stamp)
}

// rotating runs f beside a Watcher of a static role with 100 s to go.
func rotating(t *testing.T, f func(w *world, s *server, r *role)) {
	for _, stamped := range []bool{true, false} {
		r := &role{n: 1, next: 100 * time.Second, stamped: stamped}
		s := &server{}
		s.read = func() (int, string) { return r.answer(s) }
		watching(t, s, func(w *world) {
			if got := w.after(99 * time.Second); len(got) != 1 || got[0].Reason != watch.ReasonFirst {
				t.Errorf("updates %+v", got)
			}
			f(w, s, r)
		})
	}
}

// A password that changes when it should is asked for one second later.
func TestRotationOnTime(t *testing.T) {
	rotating(t, func(w *world, s *server, r *role) {
		w.after(time.Second)
		s.set(func() { r.n, r.next = 2, 200*time.Second })
		got := w.after(2 * time.Second)
		if len(got) != 1 || got[0].Reason != watch.ReasonRotated || !strings.Contains(fullSecret(got[0]), "canary-2") {
			t.Errorf("updates %+v", got)
		}
		w.after(100 * time.Second)
		equal(t, "read", s.when("read")[:3], 0, 101, 201)
	})
}

// A password that Vault is late to change (ttl 0) is asked for until it is there.
func TestRotationLate(t *testing.T) {
	rotating(t, func(w *world, s *server, r *role) {
		if got := w.after(53 * time.Second); len(got) != 0 {
			t.Errorf("updates %+v", got)
		}
		equal(t, "read", s.when("read"), 0, 101, 102, 104, 108, 116, 131, 146)
		s.set(func() { r.n, r.next = 2, 250*time.Second })
		if got := w.after(10 * time.Second); len(got) != 1 || got[0].Reason != watch.ReasonRotated {
			t.Errorf("updates %+v", got)
		}
	})
}

// A ttl that starts anew before the password has changed is no rotation: such an
// answer is not told, and the question is asked again until the stamp changes.
func TestRotationTTLResetsFirst(t *testing.T) {
	rotating(t, func(w *world, s *server, r *role) {
		if !r.stamped {
			return
		}
		s.set(func() { r.next = 200 * time.Second })
		if got := w.after(10 * time.Second); len(got) != 0 {
			t.Errorf("updates %+v", got)
		}
		equal(t, "read", s.when("read"), 0, 101, 102, 104, 108)
		s.set(func() { r.n = 2 })
		got := w.after(10 * time.Second)
		if len(got) != 1 || got[0].Reason != watch.ReasonRotated || !strings.Contains(fullSecret(got[0]), "canary-2") {
			t.Errorf("updates %+v", got)
		}
		w.after(82 * time.Second)
		equal(t, "read", s.when("read"), 0, 101, 102, 104, 108, 116, 201)
	})
}

// The slow reads see a password that somebody had changed before its time, and
// are no news otherwise, nor is a ttl that has already started anew.
func TestManualRotation(t *testing.T) {
	r := &role{n: 1, next: time.Hour, stamped: true}
	s := &server{}
	s.read = func() (int, string) { return r.answer(s) }
	watching(t, s, func(w *world) {
		if got := w.after(1000 * time.Second); len(got) != 1 {
			t.Errorf("updates %+v", got)
		}
		s.set(func() { r.n, r.next = 2, 1000*time.Second+time.Hour })
		if got := w.after(201 * time.Second); len(got) != 1 || got[0].Reason != watch.ReasonRotated {
			t.Errorf("updates %+v", got)
		}
		equal(t, "read", s.when("read"), 0, 300, 600, 900, 1200)
	})
}

// By the calendar it is the same.
func TestRotationSchedule(t *testing.T) {
	s := &server{}
	body := func(n, ttl int) func() (int, string) {
		return always(200, fmt.Sprintf(`{"data":{"password":"canary-%d","ttl":%d,"rotation_schedule":"0 0 * * SAT","rotation_window":3600,"last_vault_rotation":"2024-05-06T26:26:4%dZ"}}`, n, ttl, n))
	}
	s.read = body(1, 30)
	watching(t, s, func(w *world) {
		w.after(33 * time.Second)
		s.set(func() { s.read = body(2, 604800) })
		got := w.after(10 * time.Second)
		if len(got) != 1 || got[0].Reason != watch.ReasonRotated {
			t.Errorf("updates %+v", got)
		}
		equal(t, "read", s.when("read"), 0, 31, 32, 34)
	})
}

// A period that was made longer looks like a rotation that does not come: the
// questions become slow after a while.
func TestRotationPeriodMadeLonger(t *testing.T) {
	r := &role{n: 1, next: 100 * time.Second, stamped: true}
	s := &server{}
	s.read = func() (int, string) { return r.answer(s) }
	watching(t, s, func(w *world) {
		w.after(50 * time.Second)
		s.set(func() { r.next = 24 * time.Hour })
		w.after(time.Hour)
		before := len(s.when("read"))
		w.after(time.Hour)
		if n := len(s.when("read")) - before; n > 13 {
			t.Errorf("read %d times in an hour", n)
		}
		if !strings.Contains(w.log.String(), "still the old one") {
			t.Error("nothing said")
		}
	})
}

package watch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"vault-renderer/renderer/internal/vault"
	"vault-renderer/renderer/internal/watch"
)

// lender is a Vault of one leased secret that keeps to its own rules: a life is
// prolonged until the longest one is reached, and what has ended is gone.
type lender struct {
	s         *server
	ttl, most time.Duration
	renewable bool
	overlap   time.Duration // that there is to be

	issued, end time.Duration // since the test's start
	reads       int
	wrong       string
}

// note says what went wrong first.
func (v *lender) note(format string, args ...any) {
	if v.wrong == "" {
		v.wrong = fmt.Sprintf(format, args...)
	}
}

func (v *lender) now() time.Duration { return time.Since(v.s.start) }

// answer is a grant until no later than the longest life.
func (v *lender) answer() (int, string) {
	granted := min(v.ttl, v.issued+v.most-v.now()).Truncate(time.Second)
	v.end = v.now() + granted
	return 200, leased(int(granted/time.Second), v.renewable, fmt.Sprint("canary-", v.reads))
}

func (v *lender) read() (int, string) {
	if left := v.end - v.now(); v.reads > 0 && left < v.overlap-time.Second {
		v.note("replaced with %v left of %v (%v at most), want %v", left, v.ttl, v.most, v.overlap)
	}
	v.reads++
	v.issued = v.now()
	return v.answer()
}

func (v *lender) renew() (int, string) {
	if v.now() >= v.end {
		v.note("renewed after its end")
		return 400, goneBody
	}
	return v.answer()
}

func (v *lender) look() (int, string) {
	if v.now() >= v.end {
		v.note("looked up after its end")
		return 400, goneBody
	}
	return 200, fmt.Sprintf(`{"data":{"ttl":%d,"renewable":%v}}`, int((v.end - v.now()).Seconds()), v.renewable)
}

// Whatever the lives, the jitter, the settings and the checks: while Vault
// answers credentials are replaced with the overlap that there is to be, and
// never asked for more often than their lives want.
func TestNoLeaseLapses(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		sec := func(name string, least, most int) time.Duration {
			return time.Duration(rapid.IntRange(least, most).Draw(rt, name)) * time.Second
		}
		v := &lender{ttl: sec("ttl", 2, 7200), renewable: rapid.Bool().Draw(rt, "renewable")}
		v.most = v.ttl + sec("more", 0, 4*7200)
		whole := min(3*v.most, 12*v.ttl)
		before := sec("replace before", 0, 3600)
		lookups := rapid.SampledFrom([]time.Duration{-1, 0, v.ttl / 7, 10 * time.Minute}).Draw(rt, "lookup")
		checks := rapid.SliceOfN(rapid.Float64Range(0, 0.5), 0, 5).Draw(rt, "checks") // after a part of it
		random := rapid.SliceOfN(rapid.Float64Range(0, 0.999), 1, 5).Draw(rt, "rand")
		s := &server{read: v.read, renew: v.renew, other: lookup(v.look)}
		v.s = s
		watchingFor(t, s, read("secret/x"), func(w *world) {
			for _, c := range checks {
				w.after(time.Duration(c * float64(whole)))
				w.watcher.Check()
			}
			w.after(whole)
		}, func(_ *world, o *watch.Options) {
			n := 0
			o.Policy.ReplaceBefore, o.Lookup = before, lookups
			o.Policy.Rand = func() float64 { n++; return random[n%len(random)] }
			v.overlap = o.Policy.Overlap(v.ttl)
		})
		life := v.ttl / 4 // the shortest that jitter and overlap can make of it
		if most := int(4*whole/max(life, time.Second)) + 2; v.reads > most {
			v.note("read %d times, want %d at most", v.reads, most)
		}
		if v.wrong != "" {
			rt.Fatal(v.wrong)
		}
	})
}

// Leases of seconds are renewed and replaced in time, and not without end.
func TestLeasesShorterThanTenSeconds(t *testing.T) {
	for ttl, want := range map[int]struct{ renewed, read []float64 }{
		9: {[]float64{6, 12, 18}, []float64{0, 6, 12, 18}},
		3: {[]float64{2, 4, 6, 8, 10, 12, 14, 16, 18}, []float64{0, 2, 4, 6, 8, 10, 12, 14, 16, 18}},
	} {
		for _, renewable := range []bool{true, false} {
			s := &server{read: always(200, leased(ttl, renewable, "canary-1")), renew: always(200, renewed(ttl))}
			watching(t, s, func(w *world) {
				w.after(19 * time.Second)
				if renewable {
					equal(t, "renewed", s.when("renew"), want.renewed...)
					equal(t, "read", s.when("read"), 0)
				} else {
					equal(t, "read", s.when("read"), want.read...)
				}
			})
		}
	}
}

// Many watchers learn of a mount together.
func TestOneLookAtTheMount(t *testing.T) {
	s := &server{read: always(200, `{"data":{"k":"canary-1"}}`)}
	children(s, 7200)
	for i := range 20 {
		s.other[fmt.Sprintf("sys/internal/ui/mounts/secret/%d", i)] = always(200, `{"data":{"path":"secret/","type":"kv"}}`)
	}
	synctest.Test(t, func(t *testing.T) {
		s.start = time.Now()
		client, err := vault.New(vault.Options{Address: "http://vault", Transport: s})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, s: s, client: client, sessions: &watch.Sessions{}, out: make(chan watch.Update, 100), log: &record{}}
		w.session(1)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		for i := range 20 {
			o := watch.Options{
				Request: read(fmt.Sprintf("secret/%d", i)), Sessions: w.sessions, StaticInterval: time.Minute, Log: slog.New(slog.NewTextHandler(w.log, nil)),
				Own: func(ctx context.Context, s *vault.Session) (*vault.Session, error) { return s.Child(ctx) },
			}
			go func() { done <- watch.New(o).Run(ctx, w.out) }()
		}
		if got := values(w.after(time.Second)); len(got) != 20 {
			t.Errorf("%d values", len(got))
		}
		cancel()
		for range 20 {
			<-done
		}
	})
	looks := 0
	for _, a := range s.asked {
		if _, isMount := s.other[a.what]; isMount {
			looks++
		}
	}
	if looks > 2 || len(s.when(childPath)) != 0 { // the client's own look-up is another
		t.Errorf("%d looks at mounts, %d tokens", looks, len(s.when(childPath)))
	}
}

// What Update and Resume tell can be printed without telling a secret.
func TestUpdatesHideSecrets(t *testing.T) {
	u := watch.Update{Secret: earlier(time.Hour, 0)}
	raw, err := json.Marshal(u.Secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprintf("%+v", u), fmt.Sprintf("%#v", *u.Secret), string(raw)} {
		if strings.Contains(text, "canary-old") {
			t.Errorf("shown: %s", text)
		}
	}
}

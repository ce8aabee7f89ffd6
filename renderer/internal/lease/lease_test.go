package lease_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"vault-renderer/renderer/internal/lease"
)

func start() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// granted is a renewable lease of the given life.
func granted(ttl time.Duration) lease.Lease {
	return lease.Lease{ID: "x", TTL: ttl, Renewable: true, IssuedAt: start()}
}

func fixed(f float64) func() float64 { return func() float64 { return f } }

func TestLease(t *testing.T) {
	l := granted(time.Minute)
	if !l.ExpiresAt().Equal(start().Add(time.Minute)) {
		t.Errorf("expires at %v", l.ExpiresAt())
	}
	for _, c := range []struct {
		l    lease.Lease
		want bool
	}{
		{l, true},
		{lease.Lease{TTL: time.Hour}, false}, // KV 1 names a lease_duration without a lease
		{lease.Lease{ID: "x"}, false},
		{lease.Lease{}, false},
	} {
		if c.l.Leased() != c.want {
			t.Errorf("%+v: leased %v", c.l, c.l.Leased())
		}
	}
}

func TestRenewAt(t *testing.T) {
	for _, c := range []struct {
		ttl  time.Duration
		rand func() float64
		want time.Duration
	}{
		{90 * time.Second, nil, 60 * time.Second},
		{90 * time.Second, fixed(0), 60 * time.Second},
		{300 * time.Hour, fixed(1), 104 * time.Hour}, // 2/3 less 32 % of the life
		{0, nil, 0},
	} {
		got := lease.Policy{Rand: c.rand}.RenewAt(granted(c.ttl)).Sub(start())
		if d := got - c.want; d < -time.Millisecond || d > time.Millisecond {
			t.Errorf("%v: renewed after %v, want %v", c.ttl, got, c.want)
		}
	}
	later := granted(300 * time.Hour)
	later.Renewed = true
	if got := (lease.Policy{Rand: fixed(1)}).RenewAt(later).Sub(start()).Round(time.Second); got != 179*time.Hour {
		t.Errorf("renewed again after %v", got) // 2/3 less 7 %
	}
}

func TestOverlap(t *testing.T) {
	const s, m, h = time.Second, time.Minute, time.Hour
	for _, c := range []struct{ set, full, want time.Duration }{
		{0, 0, 0},
		{0, 9 * s, 3 * s}, // a third of the shortest lives
		{0, 60 * s, 20 * s},
		{0, 90 * s, 30 * s},
		{0, 2 * m, 30 * s},
		{0, 5 * m, 30 * s},
		{0, h, 6 * m}, // a tenth
		{0, 24 * h, 144 * m},
		{10 * m, h, 10 * m},
		{h, h, 20 * m}, // never more than a third
		{s, h, s},
		{-s, h, 6 * m},
	} {
		if got := (lease.Policy{ReplaceBefore: c.set}).Overlap(c.full); got != c.want {
			t.Errorf("replace_before %v, life %v: %v, want %v", c.set, c.full, got, c.want)
		}
	}
}

func TestReplaceAt(t *testing.T) {
	const m = time.Minute
	const sec = time.Second
	for _, c := range []struct {
		name      string
		ttl, full time.Duration
		renewable bool
		policy    lease.Policy
		want      time.Duration
	}{
		{"renewable, whole", 3 * m, 3 * m, true, lease.Policy{}, 150 * sec},
		{"renewable, cut to half", 30 * m, 60 * m, true, lease.Policy{}, 24 * m},
		{"renewable, cut below the overlap", 5 * m, 60 * m, true, lease.Policy{}, 0},
		{"renewable, full not known", 3 * m, 0, true, lease.Policy{}, 150 * sec},
		{"renewable: the threshold is not its", 3 * m, 3 * m, true, lease.Policy{Threshold: 0.5}, 150 * sec},
		{"renewable, overlap as set", 60 * m, 60 * m, true, lease.Policy{ReplaceBefore: 7 * m}, 53 * m},
		{"long", 100 * m, 100 * m, false, lease.Policy{}, 90 * m},
		{"long, by threshold", 100 * m, 100 * m, false, lease.Policy{Threshold: 0.5}, 50 * m},
		{"threshold within the overlap", 100 * m, 100 * m, false, lease.Policy{Threshold: 0.99}, 90 * m},
		{"threshold beside a longer overlap", 100 * m, 100 * m, false, lease.Policy{ReplaceBefore: 20 * m}, 80 * m},
		{"threshold beside a shorter overlap", 100 * m, 100 * m, false, lease.Policy{ReplaceBefore: m}, 90 * m},
		{"a threshold of nonsense", 100 * m, 100 * m, false, lease.Policy{Threshold: 7}, 90 * m},
		{"one minute keeps a third", m, m, false, lease.Policy{}, 40 * sec},
		{"nine seconds keep a third", 9 * sec, 9 * sec, false, lease.Policy{}, 6 * sec},
		{"two minutes keep 30 s", 2 * m, 2 * m, false, lease.Policy{}, 90 * sec},
		{"jitter of what is renewed", 60 * m, 60 * m, true, lease.Policy{Rand: fixed(1)}, 14 * m},
		{"jitter of the little that is left", 10 * m, 60 * m, true, lease.Policy{Rand: fixed(1)}, 0},
		{"jitter of what is not renewed", 60 * m, 60 * m, false, lease.Policy{Rand: fixed(1)}, 39 * m},
		{"nothing", 0, 0, false, lease.Policy{}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := granted(c.ttl)
			l.Renewable = c.renewable
			got := c.policy.ReplaceAt(l, c.full).Sub(start())
			if d := got - c.want; d < -time.Millisecond || d > time.Millisecond {
				t.Errorf("after %v, want %v", got, c.want)
			}
		})
	}
}

func TestTruncated(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		granted, full time.Duration
		want          bool
	}{
		{60 * s, 60 * s, false},
		{59 * s, 60 * s, false},
		{55 * s, 60 * s, false},
		{53 * s, 60 * s, true},
		{0, 60 * s, true},
		{9 * s, 10 * s, true},
		{10 * s, 10 * s, false},
		{2 * s, 3 * s, true},
		{3 * s, 3 * s, false},
		{0, 0, false}, // a token that never ends
		{time.Hour, 0, false},
		{2 * time.Hour, time.Hour, false}, // prolonged beyond the first grant
	} {
		if got := lease.Truncated(c.granted, c.full); got != c.want {
			t.Errorf("Truncated(%v, %v) = %v", c.granted, c.full, got)
		}
	}
}

// A plan never lies after the end, jitter only moves it forward, a renewal leaves
// time for another one, and the overlap is what was asked for: never more than a
// third of a life but for jitter, and never less.
func TestPlanProperties(t *testing.T) {
	const decade = int64(10 * 365 * 24 * time.Hour)
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string, most int64) time.Duration {
			return time.Duration(rapid.Int64Range(0, most).Draw(t, name))
		}
		ttl, full := draw("ttl", decade), draw("full", decade)
		late := lease.Policy{Threshold: rapid.Float64Range(-1, 2).Draw(t, "threshold")}
		if rapid.Bool().Draw(t, "set") {
			late.ReplaceBefore = draw("replace before", 2*int64(full)+1)
		}
		p := late
		p.Rand = fixed(rapid.Float64Range(0, 0.999999).Draw(t, "rand"))
		l := granted(ttl)
		l.Renewable, l.Renewed = rapid.Bool().Draw(t, "renewable"), rapid.Bool().Draw(t, "renewed")

		renew, replace := p.RenewAt(l), p.ReplaceAt(l, full)
		for what, at := range map[string]time.Time{"renew": renew, "replace": replace} {
			if at.After(l.ExpiresAt()) || at.Before(l.IssuedAt) {
				t.Fatalf("%s at %v of %v", what, at.Sub(l.IssuedAt), ttl)
			}
		}
		latest := late.ReplaceAt(l, full)
		if renew.After(late.RenewAt(l)) || replace.After(latest) {
			t.Fatal("jitter made a plan later")
		}
		const rounding = time.Microsecond * 100 // of float64 over years
		if left := l.ExpiresAt().Sub(renew); left < ttl/3-rounding {
			t.Fatalf("%v left of %v after the renewal", left, ttl)
		}
		if d := latest.Sub(replace); d > max(full, ttl)*2/3+rounding {
			t.Fatalf("jitter of %v of %v", d, max(full, ttl))
		}
		checkOverlap(t, late, l, full, l.ExpiresAt().Sub(latest))
	})
}

// checkOverlap judges the overlap that a policy without jitter leaves.
func checkOverlap(t *rapid.T, p lease.Policy, l lease.Lease, full, overlap time.Duration) {
	const rounding = time.Microsecond * 100
	whole := max(full, l.TTL)
	want := min(max(30*time.Second, whole/10), whole/3)
	if p.ReplaceBefore > 0 {
		want = min(p.ReplaceBefore, whole/3)
	}
	want = min(want, l.TTL) // never more than there is
	if overlap < want-rounding {
		t.Fatalf("an overlap of %v of %v, want %v", overlap, l.TTL, want)
	}
	if l.Renewable && overlap > want+rounding {
		t.Fatalf("an overlap of %v of %v, more than %v", overlap, l.TTL, want)
	}
	f := p.Threshold
	if f <= 0 || f >= 1 {
		f = 0.9
	}
	if !l.Renewable && overlap > max(want, time.Duration(float64(l.TTL)*(1-f)))+rounding {
		t.Fatalf("an overlap of %v of %v: more than %v, and than the threshold's", overlap, l.TTL, want)
	}
}

// A backoff stays within its bounds, doubles, and starts over.
func TestBackoffProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := time.Duration(rapid.Int64Range(1, int64(time.Minute)).Draw(t, "min"))
		high := low + time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "more"))
		jitter := rapid.Float64Range(0, 0.999999).Draw(t, "rand")
		exact := &lease.Backoff{Min: low, Max: high}
		b := &lease.Backoff{Min: low, Max: high, Rand: fixed(jitter)}
		last := time.Duration(0)
		for range 50 {
			d, e := b.Next(), exact.Next()
			if e < last || e < low || e > high {
				t.Fatalf("%v after %v, bounds %v to %v", e, last, low, high)
			}
			if last > 0 && e != min(2*last, high) {
				t.Fatalf("%v after %v", e, last)
			}
			if d > e || d < e-e/4-1 {
				t.Fatalf("jitter made %v of %v", d, e)
			}
			last = e
		}
		if last != high && low<<40 >= high {
			t.Fatalf("never came to the maximum: %v", last)
		}
		exact.Reset()
		if d := exact.Next(); d != low {
			t.Fatalf("%v after a reset", d)
		}
	})
}

func TestBackoffWithoutMaximum(t *testing.T) {
	b := lease.Backoff{Min: time.Second}
	for _, want := range []time.Duration{1, 2, 4, 8} {
		if got := b.Next(); got != want*time.Second {
			t.Errorf("%v, want %v s", got, int(want))
		}
	}
	var zero lease.Backoff
	for range 2 {
		if zero.Next() != 0 {
			t.Error("the zero value waits")
		}
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		rand func() float64
		want time.Duration
	}{{nil, time.Minute}, {fixed(0), time.Minute}, {fixed(0.5), 30 * time.Second}} {
		if got := lease.Spread(time.Minute, c.rand); got != c.want {
			t.Errorf("%v, want %v", got, c.want)
		}
	}
}

func TestInterval(t *testing.T) {
	for _, c := range []struct {
		rand func() float64
		want time.Duration
	}{{nil, time.Minute}, {fixed(0), time.Minute}, {fixed(0.5), 57 * time.Second}} {
		if got := lease.Interval(time.Minute, c.rand); got != c.want {
			t.Errorf("%v, want %v", got, c.want)
		}
	}
}

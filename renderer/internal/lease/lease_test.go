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
		{100 * time.Hour, fixed(1), 100 * time.Hour * 37 / 60}, // 2/3 less 5 % of the life
		{0, nil, 0},
	} {
		got := lease.Policy{Rand: c.rand}.RenewAt(granted(c.ttl)).Sub(start())
		if d := got - c.want; d < -time.Millisecond || d > time.Millisecond {
			t.Errorf("%v: renewed after %v, want %v", c.ttl, got, c.want)
		}
	}
}

func TestReplaceAt(t *testing.T) {
	const m = time.Minute
	for _, c := range []struct {
		name      string
		ttl, full time.Duration
		renewable bool
		threshold float64
		want      time.Duration
	}{
		{"renewable, whole", 3 * m, 3 * m, true, 0, 2 * m},
		{"renewable, cut to half", 30 * m, 60 * m, true, 0, 10 * m},
		{"renewable, cut below the overlap", 10 * m, 60 * m, true, 0, 0},
		{"renewable, full not known", 3 * m, 0, true, 0, 2 * m},
		{"renewable: the threshold is not its", 3 * m, 3 * m, true, 0.5, 2 * m},
		{"long", 100 * m, 100 * m, false, 0, 90 * m},
		{"long, by threshold", 100 * m, 100 * m, false, 0.5, 50 * m},
		{"a threshold of nonsense", 100 * m, 100 * m, false, 7, 90 * m},
		{"one minute keeps a third", m, m, false, 0, 40 * time.Second},
		{"two minutes keep 30 s", 2 * m, 2 * m, false, 0, 90 * time.Second},
		{"nothing", 0, 0, false, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := granted(c.ttl)
			l.Renewable = c.renewable
			got := lease.Policy{Threshold: c.threshold}.ReplaceAt(l, c.full).Sub(start())
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

// A plan never lies after the end, jitter only moves it forward, and a renewal
// leaves time for another one.
func TestPlanProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ttl := time.Duration(rapid.Int64Range(0, int64(10*365*24*time.Hour)).Draw(t, "ttl"))
		full := time.Duration(rapid.Int64Range(0, int64(10*365*24*time.Hour)).Draw(t, "full"))
		p := lease.Policy{
			Threshold: rapid.Float64Range(-1, 2).Draw(t, "threshold"),
			Rand:      fixed(rapid.Float64Range(0, 0.999999).Draw(t, "rand")),
		}
		late := lease.Policy{Threshold: p.Threshold}
		l := granted(ttl)
		l.Renewable = rapid.Bool().Draw(t, "renewable")

		renew, replace := p.RenewAt(l), p.ReplaceAt(l, full)
		for what, at := range map[string]time.Time{"renew": renew, "replace": replace} {
			if at.After(l.ExpiresAt()) || at.Before(l.IssuedAt) {
				t.Fatalf("%s at %v of %v", what, at.Sub(l.IssuedAt), ttl)
			}
		}
		if renew.After(late.RenewAt(l)) || replace.After(late.ReplaceAt(l, full)) {
			t.Fatal("jitter made a plan later")
		}
		const rounding = time.Microsecond * 100 // of float64 over years
		if left := l.ExpiresAt().Sub(renew); left < ttl/3-rounding {
			t.Fatalf("%v left of %v after the renewal", left, ttl)
		}
		overlap := l.ExpiresAt().Sub(replace)
		want := min(30*time.Second, ttl/3)
		if l.Renewable {
			want = min(max(full, ttl)/3, ttl)
		}
		if overlap < want-rounding {
			t.Fatalf("an overlap of %v of %v, want %v", overlap, ttl, want)
		}
	})
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

package watch

import (
	"time"

	"vault-renderer/renderer/internal/lease"
)

// life is something that Vault lends for a time, a lease or a token, and the
// plan for it. It asks nobody.
type life struct {
	policy lease.Policy
	l      lease.Lease // TTL 0: it never ends
	full   time.Duration
	last   bool // no renewal will prolong it further

	planned time.Time // kept: a plan that is made again is jittered again
	again   time.Time // no renewal before: the last one failed
	retry   lease.Backoff
}

func newLife(p lease.Policy, l lease.Lease, full time.Duration, last bool) life {
	return life{
		policy: p, l: l, full: max(full, l.TTL), last: last,
		retry: lease.Backoff{Min: 500 * time.Millisecond, Max: maxAway, Rand: p.Rand},
	}
}

// prolongs says whether a renewal is worth asking for.
func (x *life) prolongs() bool { return x.l.Renewable && !x.last }

// due is when to renew what prolongs, and when to have something new in place
// of what does not.
func (x *life) due() time.Time {
	if x.planned.IsZero() {
		x.planned = x.plan()
	}
	if x.prolongs() && x.again.After(x.planned) {
		return x.again
	}
	return x.planned
}

func (x *life) plan() time.Time {
	if x.prolongs() {
		// A renewal can show the end: then there is to be time for the overlap.
		return sooner(x.policy.RenewAt(x.l), x.l.ExpiresAt().Add(-x.policy.Overlap(x.full)))
	}
	l := x.l
	l.Renewable = l.Renewable || x.last // it was: the overlap is that of a renewable lease
	return x.policy.ReplaceAt(l, x.full)
}

// renewed notes what a renewal granted.
func (x *life) renewed(l lease.Lease) {
	l.Renewed = true
	x.l, x.full = l, max(x.full, l.TTL)
	x.last = !l.Renewable || lease.Truncated(l.TTL, x.full)
	x.planned, x.again = time.Time{}, time.Time{}
	x.retry.Reset()
}

// fixed notes that no renewal will be granted.
func (x *life) fixed() {
	if x.l.Renewable {
		x.l.Renewable, x.planned = false, time.Time{}
	}
}

// failed notes that a renewal failed and may be tried again; least is what
// Vault asked for, 0 = nothing.
func (x *life) failed(now time.Time, least time.Duration) {
	x.again = now.Add(max(x.retry.Next(), least))
	if end := x.l.ExpiresAt(); x.again.After(end) {
		x.again = end
	}
}

// lookupSlack is how far a look-up may differ from what is believed: Vault
// answers in whole seconds.
const lookupSlack = 2 * time.Second

// seen notes what a look-up showed. A life that ends another time than believed
// is planned anew; one that ends as believed keeps its plan, for a look-up must
// not put off a renewal.
func (x *life) seen(l lease.Lease) {
	if !l.Renewable {
		x.fixed()
	}
	d := l.ExpiresAt().Sub(x.l.ExpiresAt())
	if d.Abs() <= lookupSlack {
		return
	}
	x.planned = time.Time{}
	if x.l.TTL += d; x.l.TTL <= 0 { // a clock was set back since it was issued
		x.l.TTL, x.l.IssuedAt = l.TTL, l.IssuedAt
	}
}

const (
	lookupPart  = 10 // of a lease, between look-ups
	minLookup   = 10 * time.Second
	maxLookup   = 5 * time.Minute
	soonestLook = time.Second
)

// lookupEvery is the time between look-ups of a lease of that life; 0 = none.
func lookupEvery(setting, full time.Duration) time.Duration {
	switch {
	case setting < 0:
		return 0
	case setting > 0:
		return setting
	}
	return min(max(full/lookupPart, minLookup), maxLookup)
}

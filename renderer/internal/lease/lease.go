// Package lease is the time arithmetic of leases, tokens and retries: when to
// renew, when to replace, how long to wait after a failure. It is pure: it
// reads no clock, starts no timer and knows nothing of Vault. All randomness
// comes from the caller.
package lease

import "time"

// Lease is what Vault grants: a secret's lease or a token's life.
type Lease struct {
	ID        string        // lease_id; "" for a token or a secret without a lease
	TTL       time.Duration // what the last answer granted
	Renewable bool
	IssuedAt  time.Time // when the last answer that granted TTL was asked for
	Renewed   bool      // it was prolonged already, so it is not one of many that began together
}

// ExpiresAt is the moment at which Vault ends the lease unless it is renewed.
func (l Lease) ExpiresAt() time.Time { return l.IssuedAt.Add(l.TTL) }

// Leased says whether there is something that Vault will end.
func (l Lease) Leased() bool { return l.ID != "" && l.TTL > 0 }

// Policy says when leases are renewed and replaced. The zero value is usable.
type Policy struct {
	// Threshold is the fraction of a non-renewable lease to wait before it is
	// read anew (template_config.lease_renewal_threshold); 0.90 when zero.
	Threshold float64
	// Rand gives values in [0,1); 0 is used when nil, which plans everything
	// as late as the policy allows.
	Rand func() float64
}

// Jitter only ever moves an action forward in time: a plan is never late.
const (
	renewFraction  = 2.0 / 3 // of the TTL: one failed try still leaves a third
	renewJitter    = 0.05
	replaceJitter  = 0.05
	overlapDivisor = 3 // the old credentials live on for a third of the full TTL

	nonRenewableOverlap = 30 * time.Second
)

func (p Policy) rand() float64 {
	if p.Rand == nil {
		return 0
	}
	return p.Rand()
}

// RenewAt is when a renewable lease is renewed: two thirds into its life, up
// to 5 % of the life earlier.
func (p Policy) RenewAt(l Lease) time.Time {
	f := renewFraction - renewJitter*p.rand()
	return l.IssuedAt.Add(scale(l.TTL, f))
}

// ReplaceAt is when a lease that can't be prolonged is to be replaced by a new
// one. full is the life that Vault grants when nothing cuts it short: a third
// of it (never more than what is left) stays as overlap, in which the new
// credentials come into use while the old ones are still good. A lease that
// never was renewable uses the threshold, but keeps 30 s or a third, whichever
// is less: a tenth of a short life is too little to hand over in.
func (p Policy) ReplaceAt(l Lease, full time.Duration) time.Time {
	if !l.Renewable {
		f := p.Threshold
		if f <= 0 || f >= 1 {
			f = 0.90
		}
		f *= 1 - replaceJitter*p.rand() // never below 0, however small the threshold
		wait := min(scale(l.TTL, f), l.TTL-min(nonRenewableOverlap, l.TTL/overlapDivisor))
		return l.IssuedAt.Add(wait)
	}
	overlap := max(full, l.TTL) / overlapDivisor
	wait := l.TTL - overlap
	if wait < 0 {
		wait = 0
	}
	return l.IssuedAt.Add(scale(wait, 1-replaceJitter*p.rand()))
}

// Patience is how long to wait for one answer about l: half of what is left of
// it, so that a connection which swallows requests leaves time for another try;
// never less than two seconds.
func Patience(l Lease, now time.Time) time.Duration {
	return max(l.ExpiresAt().Sub(now)/2, 2*time.Second)
}

// Truncated says whether a renewal shows the end of what Vault will give:
// full was granted at first, granted is what the renewal answered. A tenth is
// allowed for rounding to whole seconds and for time spent on the way.
func Truncated(granted, full time.Duration) bool {
	if full <= 0 {
		return false
	}
	slack := max(full/10, time.Second)
	if full <= 10*time.Second {
		slack = time.Second / 2
	}
	return granted < full-slack
}

// Backoff is a jittered exponential backoff. Its zero value waits not at all.
type Backoff struct {
	Min, Max time.Duration
	Rand     func() float64 // [0,1); nil = no jitter

	next time.Duration
}

// Next gives the next pause: Min at first, doubling up to Max, each less up to
// a quarter.
func (b *Backoff) Next() time.Duration {
	d := b.next
	if d == 0 {
		d = b.Min
	}
	if b.Max > 0 && d > b.Max {
		d = b.Max
	}
	b.next = 2 * d
	if b.Rand != nil {
		d -= scale(d, 0.25*b.Rand())
	}
	return d
}

// Reset starts over at Min.
func (b *Backoff) Reset() { b.next = 0 }

// Interval spreads a poll interval: d less up to a tenth.
func Interval(d time.Duration, rand func() float64) time.Duration {
	if rand == nil {
		return d
	}
	return d - scale(d, 0.1*rand())
}

func scale(d time.Duration, f float64) time.Duration { return time.Duration(float64(d) * f) }

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
	// ReplaceBefore is how long before their end credentials that can't be
	// prolonged are replaced: the overlap. When 0 it is a tenth of their full
	// life, and 30 s at least. It is never more than a third of the full life.
	ReplaceBefore time.Duration
	// Rand gives values in [0,1); 0 is used when nil, which plans everything
	// as late as the policy allows.
	Rand func() float64
}

// Jitter only ever moves an action forward in time: a plan is never late. It is
// wide enough that programs which began together do not come back together. With
// 100,000 of them before one Vault (a token and a lease each of 1 h, 24 h at most,
// all begun within 10 s) the busiest second of a day and a half has 3.7 times the
// mean; without jitter it has 240 times, with the 5 % that others have it has 47
// times. TestFleet has the figures.
const (
	renewFraction = 2.0 / 3 // of the TTL: one failed try still leaves a third
	renewJitter   = 0.07    // of the TTL
	// The first renewal is what sets apart those who began together. It costs
	// half a renewal more in all of the life.
	firstJitter = 0.32
	// What was renewed has often lived for many times its TTL, so that a part of
	// one is little of its life; what never is has one TTL only.
	renewableJitter = 2.0 / 3 // of the full life
	fixedJitter     = 0.25

	overlapPart    = 10 // of the full life
	leastOverlap   = 30 * time.Second
	overlapDivisor = 3 // of the full life, at most
)

func (p Policy) rand() float64 {
	if p.Rand == nil {
		return 0
	}
	return p.Rand()
}

// RenewAt is when a renewable lease is renewed: two thirds into its life or up
// to 7 % of the life earlier; the first time up to 32 % earlier.
func (p Policy) RenewAt(l Lease) time.Time {
	jitter := firstJitter
	if l.Renewed {
		jitter = renewJitter
	}
	return l.IssuedAt.Add(scale(l.TTL, renewFraction-jitter*p.rand()))
}

// Overlap is how long the old credentials live on beside the new ones, for
// credentials whose full life is given.
func (p Policy) Overlap(full time.Duration) time.Duration {
	overlap := p.ReplaceBefore
	if overlap <= 0 {
		overlap = max(leastOverlap, full/overlapPart)
	}
	return min(overlap, full/overlapDivisor)
}

// ReplaceAt is when a lease that can't be prolonged is to be replaced by a new
// one. full is the life that Vault grants when nothing cuts it short; the
// overlap (never more than what is left) stays, in which the new credentials
// come into use while the old ones are still good. A lease that never was
// renewable is replaced at the threshold, if that is earlier. Jitter takes up to
// two thirds of the full life off the wait, a quarter where nothing is renewed.
func (p Policy) ReplaceAt(l Lease, full time.Duration) time.Time {
	full = max(full, l.TTL)
	wait, jitter := max(l.TTL-p.Overlap(full), 0), renewableJitter
	if !l.Renewable {
		f := p.Threshold
		if f <= 0 || f >= 1 {
			f = 0.90
		}
		wait, jitter = min(wait, scale(l.TTL, f)), fixedJitter
	}
	return l.IssuedAt.Add(wait - scale(min(wait, scale(full, jitter)), p.rand()))
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

// Spread is the first wait of something that comes every d: all of d, less
// anything up to it, so that those who begin together are apart at once.
func Spread(d time.Duration, rand func() float64) time.Duration {
	if rand == nil {
		return d
	}
	return d - scale(d, rand())
}

func scale(d time.Duration, f float64) time.Duration { return time.Duration(float64(d) * f) }

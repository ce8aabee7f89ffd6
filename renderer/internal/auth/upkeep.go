package auth

import (
	"context"
	"log/slog"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// upkeep is what is known of one token's life, and prolongs it.
type upkeep struct {
	s      *vault.Session
	policy lease.Policy
	log    *slog.Logger

	l     lease.Lease
	full  time.Duration // the longest life that was granted
	last  bool          // no renewal will help any more
	again time.Time     // the next try after a failed renewal
	retry lease.Backoff

	planned time.Time // for how the token stood then: a plan that is made again is jittered again
	stood   standing
}

// standing is what a plan is made for.
type standing struct {
	l    lease.Lease
	full time.Duration
	last bool
}

func newUpkeep(s *vault.Session, l lease.Lease, full time.Duration, last bool, p lease.Policy, log *slog.Logger) *upkeep {
	p.Threshold = 0 // it is for secrets
	return &upkeep{
		s: s, policy: p, log: log, l: l, full: max(full, l.TTL), last: last,
		retry: lease.Backoff{Min: 500 * time.Millisecond, Max: 10 * time.Second, Rand: p.Rand},
	}
}

// done says that no renewal can help.
func (u *upkeep) done() bool { return u.last || !u.l.Renewable || u.l.TTL <= 0 }

// prolong renews the token. A reason says that it has ended.
func (u *upkeep) prolong(ctx context.Context) (reason string) {
	next, err := renew(ctx, u.s, u.l)
	switch c := vault.ClassOf(err); {
	case err == nil:
		next.Renewed = true
		u.l, u.full = next, max(u.full, next.TTL)
		u.last = !u.l.Renewable || lease.Truncated(u.l.TTL, u.full)
		u.again = time.Time{}
		u.retry.Reset()
		u.log.Debug("token renewed", "ttl", u.l.TTL, "last", u.last)
	case ctx.Err() != nil: // the next wait says so
	case !time.Now().Before(u.l.ExpiresAt()):
		return ReasonExpired
	case c == vault.InvalidToken || c == vault.LeaseGone:
		return ReasonRevoked
	case c == vault.Denied || c == vault.Invalid || c == vault.NotFound:
		u.log.Warn("the token can't be renewed; it will be replaced", "error", err)
		u.l.Renewable = false
	default:
		u.again = time.Now().Add(max(u.retry.Next(), vault.RetryAfter(err)))
		if u.again.After(u.l.ExpiresAt()) {
			u.again = u.l.ExpiresAt()
		}
	}
	return ""
}

func renew(ctx context.Context, s *vault.Session, l lease.Lease) (lease.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, lease.Patience(l, time.Now()))
	defer cancel()
	return s.RenewSelf(ctx)
}

// due is when to renew the token, or when that is of no use any more to have
// another one in its place; after a failure when to try again. It is for tokens
// that end.
func (u *upkeep) due() time.Time {
	if now := (standing{u.l, u.full, u.last}); u.planned.IsZero() || u.stood != now {
		u.planned, u.stood = u.plan(), now
	}
	return later(u.planned, u.again)
}

func (u *upkeep) plan() time.Time {
	if !u.done() {
		return u.policy.RenewAt(u.l)
	}
	l := u.l
	l.Renewable = l.Renewable || u.last // it was
	return u.policy.ReplaceAt(l, u.full)
}

// keepAt is when a token that nothing new uses needs something: a renewal, or
// when there is none any more, its end. Zero when it never ends.
func (u *upkeep) keepAt() time.Time {
	switch {
	case u.l.TTL <= 0:
		return time.Time{}
	case u.done():
		return u.l.ExpiresAt()
	}
	return u.due()
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// sooner is the earlier of two moments; a zero one is no moment.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

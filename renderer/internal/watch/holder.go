package watch

import (
	"context"
	"log/slog"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// holder keeps a lease alive, together with the token of its own that it may
// hang on, and notices when Vault has ended it. Who has one calls next, waits
// until then, and calls do.
type holder struct {
	s   *vault.Session
	own bool
	log *slog.Logger
	// refused is told that Vault does not know the token any more.
	refused func()
	// toTheEnd says that nothing takes the lease's place: it is held until it
	// has ended.
	toTheEnd bool

	lease   life
	token   life      // of s, when it is the lease's own
	tokenAt time.Time // when to ask how long the token lives; zero = that is known

	every   time.Duration // between look-ups; 0 = none
	lookAt  time.Time     // zero = no more
	looked  time.Time     // when Vault was asked for it last
	unsure  bool          // the lease is not trusted before Vault has shown it
	unheard lease.Backoff // between look-ups that were not answered
	noLook  bool          // the policy denies them
}

// newHolder plans for a lease that has just come, or that was just looked at.
func newHolder(s *vault.Session, own bool, x life, lookup time.Duration, log *slog.Logger) *holder {
	h := &holder{
		s: s, own: own, lease: x, every: lookupEvery(lookup, x.full), log: log, refused: func() {},
		unheard: lease.Backoff{Min: 500 * time.Millisecond, Max: maxAway, Rand: x.policy.Rand},
	}
	now := time.Now()
	if own {
		h.tokenAt = now
	}
	if h.every > 0 {
		h.lookAt = now.Add(max(lease.Spread(h.every, x.policy.Rand), soonestLook))
	}
	return h
}

// task is what a holder does next.
type task int

const (
	taskReplace task = iota // nothing: the time has come for something new
	taskRenew
	taskRenewToken
	taskLook
	taskLookAtToken
)

// next says what is to be done, when, and for taskReplace why.
func (h *holder) next() (at time.Time, what task, reason string) {
	at, what, reason = h.nextOf(&h.lease, taskRenew)
	if h.own && h.token.l.TTL > 0 {
		if t, w, _ := h.nextOf(&h.token, taskRenewToken); t.Before(at) {
			at, what, reason = t, w, ReasonToken
		}
	}
	if h.own && !h.tokenAt.IsZero() && h.tokenAt.Before(at) {
		at, what = h.tokenAt, taskLookAtToken
	}
	if !h.lookAt.IsZero() && h.lookAt.Before(at) {
		at, what = h.lookAt, taskLook
		if h.noLook {
			what = taskRenew // it tells as well
		}
	}
	return at, what, reason
}

func (h *holder) nextOf(x *life, renew task) (time.Time, task, string) {
	switch {
	case x.prolongs():
		return x.due(), renew, ""
	case h.toTheEnd:
		return x.l.ExpiresAt(), taskReplace, ReasonExpired
	case x.last:
		return x.due(), taskReplace, ReasonMaxTTL
	}
	return x.due(), taskReplace, ReasonNotRenewable
}

// found is what came of a task: the lease is to be replaced for a reason, or
// its end could not be put off, or it stands. All empty: nothing to tell.
type found struct {
	over   string
	err    error
	stands bool
}

// do does what next said. That ctx has ended shows in no result.
func (h *holder) do(ctx context.Context, what task, reason string) found {
	switch what {
	case taskRenew:
		return h.renew(ctx)
	case taskRenewToken:
		return h.renewToken(ctx)
	case taskLook:
		return h.look(ctx)
	case taskLookAtToken:
		return h.lookAtToken(ctx)
	}
	return found{over: reason}
}

func (h *holder) renew(ctx context.Context) found {
	h.looked = time.Now()
	bound, cancel := context.WithTimeout(ctx, lease.Patience(h.lease.l, h.looked))
	defer cancel()
	got, err := h.s.RenewLease(bound, h.lease.l, h.lease.full)
	switch c := vault.ClassOf(err); {
	case err == nil:
		h.lease.renewed(got)
		h.confirmed()
		h.log.Debug("lease renewed", "ttl", got.TTL, "last", h.lease.last)
		return found{stands: true}
	case ctx.Err() != nil:
		return found{}
	case c == vault.LeaseGone || c == vault.NotFound || h.own && c == vault.InvalidToken:
		return found{over: ReasonRevoked}
	case c == vault.Denied || c == vault.Invalid:
		h.log.Warn("the lease can't be renewed; it will be replaced before it ends", "error", err)
		h.lease.fixed()
		h.unlooked()
		return found{stands: true}
	case !time.Now().Before(h.lease.l.ExpiresAt()):
		return found{over: ReasonExpired}
	case c == vault.InvalidToken:
		h.refused()
	}
	h.lease.failed(time.Now(), vault.RetryAfter(err))
	if h.noLook && h.unsure {
		h.lookAt = h.lease.again
	}
	return found{err: err}
}

// confirmed notes that Vault has just shown that the lease lives.
func (h *holder) confirmed() {
	all := h.unsure // many of a fleet may have asked at once
	h.unsure = false
	h.unheard.Reset()
	if h.unlooked(); all && !h.lookAt.IsZero() {
		h.lookAt = time.Now().Add(max(lease.Spread(h.every, h.lease.policy.Rand), soonestLook))
	}
}

// unlooked plans the next look-up in its turn.
func (h *holder) unlooked() {
	h.lookAt = time.Time{}
	if h.every > 0 && !h.noLook {
		h.lookAt = time.Now().Add(lease.Interval(h.every, h.lease.policy.Rand))
	}
}

// renewToken keeps the lease's own token alive.
func (h *holder) renewToken(ctx context.Context) found {
	bound, cancel := context.WithTimeout(ctx, lease.Patience(h.token.l, time.Now()))
	defer cancel()
	got, err := h.s.RenewSelf(bound)
	switch c := vault.ClassOf(err); {
	case err == nil:
		h.token.renewed(got)
	case ctx.Err() != nil:
	case c == vault.InvalidToken || c == vault.LeaseGone:
		return found{over: ReasonRevoked}
	case c == vault.Denied || c == vault.Invalid || c == vault.NotFound:
		h.log.Warn("the token that the lease hangs on can't be renewed; the lease will be replaced before the token ends", "error", err)
		h.token.fixed()
	case !time.Now().Before(h.token.l.ExpiresAt()):
		return found{over: ReasonExpired}
	default:
		h.token.failed(time.Now(), vault.RetryAfter(err))
	}
	return found{}
}

package watch

import (
	"context"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// sure has the lease looked up now, or a second after it last was: there is
// reason to think that it has ended, or that time has jumped. Without leave to
// look it up it is renewed instead, if it can be.
func (h *holder) sure(now time.Time) {
	if h.noLook && !h.lease.prolongs() {
		return
	}
	h.unsure = true
	h.lookAt = now
	if soon := h.looked.Add(soonestLook); soon.After(now) {
		h.lookAt = soon
	}
	if h.own {
		h.tokenAt = h.lookAt.Add(soonestLook) // its life is counted by the same clock
	}
}

// look asks Vault how the lease stands. That there is no answer tells nothing
// of the lease.
func (h *holder) look(ctx context.Context) found {
	h.looked = time.Now()
	bound, cancel := context.WithTimeout(ctx, lease.Patience(h.lease.l, h.looked))
	defer cancel()
	got, err := h.s.LookupLease(bound, h.lease.l)
	switch c := vault.ClassOf(err); {
	case err == nil:
		h.lease.seen(got)
		h.confirmed()
		return found{stands: true}
	case ctx.Err() != nil:
	case c == vault.LeaseGone && h.looked.Add(lookupSlack).After(h.lease.l.ExpiresAt()):
		return found{over: ReasonExpired} // not early: less than a second is shown as none
	case c == vault.LeaseGone || h.own && c == vault.InvalidToken:
		return found{over: ReasonRevoked}
	case c == vault.Denied || c == vault.Invalid || c == vault.NotFound:
		h.lookDenied(err)
	default:
		if c == vault.InvalidToken {
			h.refused()
		}
		h.lookAgain(vault.RetryAfter(err))
	}
	return found{}
}

// lookDenied gives up looking the lease up.
func (h *holder) lookDenied(err error) {
	h.log.Warn("the lease can't be looked up; that Vault has ended it will be noticed at its renewal only; the policy lacks: "+
		`path "sys/leases/lookup" { capabilities = ["update"] }`, "error", err)
	h.noLook, h.lookAt = true, time.Time{}
	if h.unsure {
		h.sure(time.Now())
	}
}

// lookAgain plans the look-up after one that was not answered: soon, when the
// lease is not trusted.
func (h *holder) lookAgain(least time.Duration) {
	h.unlooked()
	if at := time.Now().Add(max(h.unheard.Next(), least)); h.unsure || at.After(h.lookAt) {
		h.lookAt = at
	}
}

// lookAtToken asks how long the lease's own token lives.
func (h *holder) lookAtToken(ctx context.Context) found {
	bound, cancel := context.WithTimeout(ctx, lease.Patience(h.lease.l, time.Now()))
	defer cancel()
	got, err := h.s.StandingOfSelf(bound)
	switch c := vault.ClassOf(err); {
	case err == nil && h.token.l.TTL == 0:
		h.token = newLife(h.lease.policy, got, got.TTL, false)
	case err == nil:
		h.token.seen(got)
	case ctx.Err() != nil:
		return found{}
	case c == vault.InvalidToken:
		return found{over: ReasonRevoked}
	case c == vault.Denied || c == vault.Invalid || c == vault.NotFound:
		h.log.Warn("the token that the lease hangs on can't be looked up: its life is not known; the policy lacks: "+
			`path "auth/token/lookup-self" { capabilities = ["read"] }`, "error", err)
	default:
		h.tokenAt = time.Now().Add(max(h.unheard.Next(), vault.RetryAfter(err)))
		return found{}
	}
	h.tokenAt = time.Time{}
	return found{}
}

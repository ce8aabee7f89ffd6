package auth

import (
	"context"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// holder keeps one token alive.
type holder struct {
	*Keeper
	out   chan<- Event
	s     *vault.Session
	never bool // the token can't be looked into: it is wrapped

	l     lease.Lease
	full  time.Duration // the longest life that was granted
	last  bool          // no renewal will help any more
	again time.Time     // the next try after a failed renewal
	retry lease.Backoff

	freshAt time.Time // the next try with new credentials; zero = there are none
	fresher lease.Backoff
}

// hold keeps a's token alive. It returns when a login with new credentials gave
// another token, or without one when a login is due, with what is left of the
// token's life.
func (k *Keeper) hold(ctx context.Context, out chan<- Event, s *vault.Session, a *vault.Auth) (next *vault.Auth, left lease.Lease, err error) {
	h := &holder{
		Keeper: k, out: out, s: s, never: a.Wrapped != nil, l: a.TTL, full: a.TTL.TTL,
		retry:   lease.Backoff{Min: 500 * time.Millisecond, Max: 10 * time.Second, Rand: k.o.Policy.Rand},
		fresher: k.backoff(),
	}
	for {
		next, reason, err := h.step(ctx)
		switch {
		case err != nil:
			return nil, h.l, err
		case next != nil:
			return next, h.l, nil
		case reason != "":
			k.o.Log.Info("logging in again", "reason", reason)
			return nil, h.l, nil
		}
	}
}

// ended is hold's result when nothing is left of the token.
func (h *holder) ended(reason string) string {
	h.l = lease.Lease{}
	return reason
}

// step waits for the next thing to do and does it. A reason says why a login
// is due.
func (h *holder) step(ctx context.Context) (next *vault.Auth, reason string, err error) {
	at := h.due()
	w, err := h.wait(ctx, sooner(at, h.freshAt))
	switch {
	case err != nil:
		return nil, "", err
	case w == wokenByCredentials:
		h.fresher.Reset()
		h.freshAt = time.Now()
		return nil, "", nil
	case w == wokenByCheck:
		return nil, h.look(ctx), nil
	case !at.IsZero() && !time.Now().Before(at): // first of all, the token at hand
		return nil, h.prolong(ctx), nil
	}
	next, err = h.replace(ctx)
	return next, "", err
}

// replace logs in with new credentials. Should that fail, the token at hand
// stays, is renewed as ever, and another try follows.
func (h *holder) replace(ctx context.Context) (*vault.Auth, error) {
	a, wait, err := h.try(ctx, h.out, h.l, &h.fresher)
	if err != nil {
		return nil, err
	}
	if a == nil {
		h.freshAt = time.Now().Add(wait)
		return nil, nil
	}
	h.o.Log.Info("logged in with new credentials")
	return a, nil
}

// look asks Vault whether the token is still good.
func (h *holder) look(ctx context.Context) (reason string) {
	if h.never {
		return ""
	}
	if c := vault.ClassOf(h.s.LookupSelf(ctx)); c == vault.InvalidToken || c == vault.Denied {
		return h.ended("Vault has ended the token")
	}
	return ""
}

// prolong renews the token, or says why it can't be.
func (h *holder) prolong(ctx context.Context) (reason string) {
	if h.last || !h.l.Renewable {
		return "the token's life can't be prolonged further"
	}
	next, err := renew(ctx, h.s, h.l)
	switch c := vault.ClassOf(err); {
	case err == nil:
		h.l, h.full = next, max(h.full, next.TTL)
		h.last = !h.l.Renewable || lease.Truncated(h.l.TTL, h.full)
		h.again = time.Time{}
		h.retry.Reset()
		h.o.Log.Debug("token renewed", "ttl", h.l.TTL, "last", h.last)
	case ctx.Err() != nil: // the next wait says so
	case c == vault.InvalidToken || c == vault.LeaseGone:
		return h.ended("Vault has ended the token")
	case c == vault.Denied || c == vault.Invalid || c == vault.NotFound:
		h.o.Log.Warn("the token can't be renewed; it will be replaced", "error", err)
		h.l.Renewable = false
	case !time.Now().Before(h.l.ExpiresAt()):
		return h.ended("the token has ended")
	default:
		h.again = time.Now().Add(max(h.retry.Next(), vault.RetryAfter(err)))
		if h.again.After(h.l.ExpiresAt()) {
			h.again = h.l.ExpiresAt()
		}
	}
	return ""
}

func renew(ctx context.Context, s *vault.Session, l lease.Lease) (lease.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, lease.Patience(l, time.Now()))
	defer cancel()
	return s.RenewSelf(ctx)
}

// due is when the token needs something; zero when it never ends.
func (h *holder) due() time.Time {
	if h.never || h.l.TTL <= 0 {
		return time.Time{}
	}
	var at time.Time
	if l := h.l; h.last || !l.Renewable {
		// A token that can't be renewed any more hands over as a renewable
		// lease does: everything made with it ends with it.
		l.Renewable = true
		at = h.o.Policy.ReplaceAt(l, h.full)
	} else {
		at = h.o.Policy.RenewAt(l)
	}
	if h.again.After(at) {
		at = h.again
	}
	return at
}

type waking int

const (
	wokenByTime waking = iota
	wokenByCheck
	wokenByCredentials
)

// wait waits until at (for ever when it is zero), for Check, or for new
// credentials.
func (h *holder) wait(ctx context.Context, at time.Time) (waking, error) {
	var timer <-chan time.Time
	if !at.IsZero() {
		t := time.NewTimer(time.Until(at))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-timer:
		return wokenByTime, nil
	case <-h.check:
		return wokenByCheck, nil
	case <-h.fresh:
		return wokenByCredentials, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// sooner is the earlier of two moments; a zero one is no moment.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

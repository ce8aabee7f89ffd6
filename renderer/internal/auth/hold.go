package auth

import (
	"context"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// holder keeps one token alive while it is in use.
type holder struct {
	*Keeper
	*upkeep
	out   chan<- Event
	never bool // the token can't be looked into: it is wrapped
	looks looks

	freshAt time.Time // the next try with new credentials; zero = there are none
	fresher lease.Backoff
}

// hold keeps g's token alive. It returns when a login with new credentials gave
// another token, or without one when a login is due for a reason, with what is
// left of the token's life.
func (k *Keeper) hold(ctx context.Context, out chan<- Event, s *vault.Session, g *granted) (next *granted, reason string, left lease.Lease, err error) {
	h := &holder{
		Keeper: k, out: out, never: g.Wrapped != nil, fresher: k.backoff(),
		upkeep: newUpkeep(s, g.TTL, g.full, g.last, k.o.Policy, k.o.Log),
		looks:  newLooks(k.o, g.resumed),
	}
	h.looks.plan(g.TTL)
	for {
		next, reason, err := h.step(ctx)
		switch {
		case err != nil || next != nil:
			return next, "", h.l, err
		case reason == "":
			continue
		case reason == ReasonRevoked || reason == ReasonExpired:
			h.l, h.live = lease.Lease{}, nil
		}
		k.o.Log.Info("logging in again", "reason", because(reason))
		return nil, reason, h.l, nil
	}
}

// because is a reason in words for people.
func because(reason string) string {
	switch reason {
	case ReasonMaxTTL:
		return "the token's life can't be prolonged further"
	case ReasonNotRenewable:
		return "the token can't be renewed"
	case ReasonRevoked:
		return "Vault has ended the token"
	}
	return "the token has ended"
}

// step waits for the next thing to do, does it, and tells how the token stands
// when that is news. A reason says why a login is due.
func (h *holder) step(ctx context.Context) (next *granted, reason string, err error) {
	before := h.life()
	if next, reason, err = h.act(ctx); next != nil || reason != "" || err != nil {
		return next, reason, err
	}
	if now := h.life(); now != before {
		return nil, "", send(ctx, h.out, Event{Life: &now})
	}
	return nil, "", nil
}

func (h *holder) life() Life { return Life{Lease: h.l, Full: h.full, Last: h.last} }

func (h *holder) act(ctx context.Context) (next *granted, reason string, err error) {
	at := h.due()
	w, err := h.wait(ctx, sooner(sooner(at, h.freshAt), h.lookAt()))
	due := func(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }
	switch {
	case err != nil:
		return nil, "", err
	case w == wokenByCredentials:
		h.fresher.Reset()
		h.freshAt = time.Now()
	case w == wokenByCheck:
		h.looks.doubt = true
		return nil, h.look(ctx), nil
	case due(at): // first of all, the token at hand
		return nil, h.prolongOrNot(ctx), nil
	case due(h.freshAt):
		next, err = h.replace(ctx)
		return next, "", err
	case due(h.lookAt()):
		return nil, h.look(ctx), nil
	}
	return nil, "", nil
}

// prolongOrNot renews the token, or says why it is time to log in.
func (h *holder) prolongOrNot(ctx context.Context) (reason string) {
	switch {
	case h.last:
		return ReasonMaxTTL
	case !h.l.Renewable:
		return ReasonNotRenewable
	}
	before := h.l
	if reason = h.prolong(ctx); reason == "" && h.l != before && h.l.Renewable {
		h.looks.passed(h.l) // it lives
	}
	return reason
}

// replace logs in with new credentials. Should that fail, the token at hand
// stays, is renewed as ever, and another try follows.
func (h *holder) replace(ctx context.Context) (*granted, error) {
	g, wait, err := h.try(ctx, h.out, ReasonCredentials, h.l, &h.fresher)
	if err != nil {
		return nil, err
	}
	if g == nil {
		h.freshAt = time.Now().Add(wait)
		return nil, nil
	}
	h.o.Log.Info("logged in with new credentials")
	return g, nil
}

// due is when the token needs something; zero when it never ends.
func (h *holder) due() time.Time {
	if h.never || h.l.TTL <= 0 {
		return time.Time{}
	}
	return h.upkeep.due()
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

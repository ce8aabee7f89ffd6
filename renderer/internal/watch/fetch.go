package watch

import (
	"context"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// maxAway is the longest pause while Vault does not answer: what lapsed in the
// meantime is dead from the moment Vault is back.
const maxAway = 5 * time.Second

// fetch asks until it has an answer and reports what is new in it.
func (w *Watcher) fetch(ctx context.Context, out chan<- Update) error {
	b := lease.Backoff{Min: w.o.MinBackoff, Max: w.o.MaxBackoff, Rand: w.o.Policy.Rand}
	w.holdOn()
	for {
		base, err := w.o.Sessions.wait(ctx)
		if err != nil {
			return err
		}
		secret, g, err := w.try(ctx, base)
		if err == nil {
			return w.report(ctx, out, secret, g)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		w.tries++
		if err := send(ctx, out, w.standing(err)); err != nil {
			return err
		}
		c := vault.ClassOf(err)
		if c == vault.InvalidToken && !g.own {
			w.o.TokenRefused()
		}
		wait := b.Next()
		if c == vault.Transient || c == vault.Sealed {
			wait = min(wait, maxAway)
		}
		if err := w.pause(ctx, out, base, wait, err); err != nil {
			return err
		}
	}
}

// holdOn keeps the lease that is in use for as long as there is no other.
func (w *Watcher) holdOn() {
	if w.held == nil {
		return
	}
	if w.why == ReasonRevoked || w.why == ReasonExpired {
		w.held = nil
		return
	}
	w.held.toTheEnd = true
	w.held.refused = func() { w.held = nil } // it ends with its token
}

// standing is what there is to tell between two values: why the last try
// failed, and how the lease in use stands.
func (w *Watcher) standing(err error) Update {
	u := Update{Request: w.o.Request, Err: err, Tries: w.tries, Session: w.used, Own: w.own}
	if h := w.held; h != nil {
		u.Lease, u.Full, u.Last = h.lease.l, h.lease.full, h.lease.last
	}
	return u
}

// pause waits for d after a try that failed, or less when there is another
// session to try with, or Check was called and Vault has not said to wait. The
// lease in use is kept alive meanwhile.
func (w *Watcher) pause(ctx context.Context, out chan<- Update, base *vault.Session, d time.Duration, why error) error {
	least := vault.RetryAfter(why)
	until := time.Now().Add(max(d, least))
	for {
		at, what, reason := until, taskReplace, ""
		if w.held != nil {
			if due, t, r := w.held.next(); due.Before(at) {
				at, what, reason = due, t, r
			}
		}
		by, err := w.wait(ctx, base, at)
		switch {
		case err != nil || by == bySession:
			return err
		case by == byCheck && least == 0:
			until = sooner(until, w.asked.Add(soonest))
		case by == byTime && at.Equal(until):
			return nil
		case by == byTime:
			if err := w.upkeep(ctx, out, what, reason, why); err != nil {
				return err
			}
		}
	}
}

// upkeep does what the lease in use needs while there is no other.
func (w *Watcher) upkeep(ctx context.Context, out chan<- Update, what task, reason string, why error) error {
	f := w.held.do(ctx, what, reason)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case f.over != "":
		w.held = nil
	case f.stands && w.held != nil:
		w.last.Lease = w.held.lease.l
		return send(ctx, out, w.standing(why))
	}
	return nil
}

// ask fetches the secret. While what is in use has a lease that lives, an
// answer is not awaited longer than that allows.
func (w *Watcher) ask(ctx context.Context, s *vault.Session) (*vault.Secret, error) {
	w.asked = time.Now()
	if w.last != nil && w.last.Lease.Leased() && w.asked.Before(w.last.Lease.ExpiresAt()) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, lease.Patience(w.last.Lease, w.asked))
		defer cancel()
	}
	if w.o.Request.Method == vault.MethodPKI {
		return w.issue(ctx, s)
	}
	return s.Fetch(ctx, w.o.Request)
}

// report sends secret if it says anything new: other values, or an end to failures.
func (w *Watcher) report(ctx context.Context, out chan<- Update, secret *vault.Secret, g grant) error {
	before, recovered := w.last, w.tries > 0
	// A token, wrapped or not, is another one each time, and is no part of Data.
	same := before != nil && !secret.Lease.Leased() && secret.Auth == nil && secret.WrapInfo == nil && sameValue(before.Data, secret.Data)
	why := w.reason(before, secret)
	w.tries, w.why, w.grant, w.held, w.resumed = 0, "", g, nil, false
	if secret.Lease.Leased() {
		w.held = w.holderOf(newLife(w.o.Policy, secret.Lease, 0, false))
	}
	w.rot.note(secret, same, w.o, w.log)
	u := w.standing(nil)
	u.Local = w.local
	if same {
		w.last.Lease = secret.Lease
		if !recovered {
			return nil
		}
		return send(ctx, out, u)
	}
	w.last = &vault.Secret{}
	*w.last = *secret
	u.Secret, u.Reason = secret, why
	if err := send(ctx, out, u); err != nil {
		w.giveBack(ctx)
		return err
	}
	return nil
}

func (w *Watcher) holderOf(x life) *holder {
	h := newHolder(w.used, w.own, x, w.o.Lookup, w.log)
	h.refused = w.o.TokenRefused
	return h
}

// reason says why now came in place of before.
func (w *Watcher) reason(before, now *vault.Secret) string {
	d := now.Data.Unwrap()
	_, untilItsEnd := lifeWithoutLease(now, now.Lease.IssuedAt)
	switch {
	case before == nil:
		return ReasonFirst
	case w.why != "":
		return w.why
	case rotates(d):
		return ReasonRotated
	case untilItsEnd || w.o.Request.Method == vault.MethodPKI:
		return ReasonNotRenewable
	}
	return ReasonChanged
}

func sooner(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

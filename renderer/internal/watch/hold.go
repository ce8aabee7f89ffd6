package watch

import (
	"context"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// resume takes up the value of an earlier run. It says whether there is one to
// hold.
func (w *Watcher) resume(ctx context.Context, out chan<- Update) (bool, error) {
	r := w.o.Resume
	if w.o.Resume = nil; r == nil || r.Secret == nil {
		return false, nil
	}
	leased := r.Secret.Lease.Leased()
	if w.o.Request.Method == vault.MethodPKI && !leased && !w.resumeCertificate(r.Secret) {
		return false, nil
	}
	w.last = &vault.Secret{}
	*w.last = *r.Secret
	w.why, w.resumed, w.grant = "", true, grant{used: r.Session, own: r.Own && r.Session != nil}
	x := newLife(w.o.Policy, r.Secret.Lease, r.Full, r.Last)
	u := Update{
		Request: w.o.Request, Secret: r.Secret, Local: true, Resumed: true, Reason: ReasonResumed,
		Session: w.used, Own: w.own,
	}
	if leased {
		u.Lease, u.Full, u.Last = x.l, x.full, x.last
	}
	if err := send(ctx, out, u); err != nil {
		return false, err
	}
	w.rot.note(w.last, false, w.o, w.log)
	if !leased && r.Secret.Auth == nil {
		return true, nil // in use until its time, whatever the token is
	}
	return w.resumeOn(ctx, x, leased)
}

// resumeOn goes on when there is a session: with the value of the earlier run if
// it hangs on that.
func (w *Watcher) resumeOn(ctx context.Context, x life, leased bool) (bool, error) {
	base, err := w.o.Sessions.wait(ctx)
	if err != nil {
		return false, err
	}
	other := w.used != nil && w.used.N != base.N
	if w.base = base; w.used == nil {
		w.used = base
	}
	if leased {
		w.held = w.holderOf(x)
		w.held.sure(time.Now())
	}
	if other {
		w.why = ReasonToken
	}
	return !other, nil
}

// hold returns when the secret is to be read again.
func (w *Watcher) hold(ctx context.Context, out chan<- Update) error {
	if w.held != nil {
		return w.holdLease(ctx, out)
	}
	if w.o.Request.Method == vault.MethodPKI {
		return w.holdCertificate(ctx)
	}
	at := w.nextRead(time.Now())
	var base *vault.Session
	if w.last.Auth != nil { // a token ends with the one that made it
		base = w.base
	}
	for {
		by, err := w.wait(ctx, base, at)
		switch {
		case err != nil || by == byTime:
			return err
		case by == bySession:
			w.why = ReasonToken
			return nil
		case w.o.Request.Method == vault.MethodWrite:
			at = at.Round(0) // by the time of day: the other clock may have stood still
		default:
			w.why = ReasonRefresh
			at = sooner(at, w.asked.Add(soonest))
		}
	}
}

// holdLease keeps the lease alive. It returns when the lease is to be replaced:
// because it nears its end, is gone, or hangs on a token that is not used any
// more.
func (w *Watcher) holdLease(ctx context.Context, out chan<- Update) error {
	for {
		at, what, reason := w.held.next()
		by, err := w.wait(ctx, w.base, at)
		switch {
		case err != nil:
			return err
		case by == bySession:
			w.why = ReasonToken
			return nil
		case by == byCheck:
			w.held.sure(time.Now())
			continue
		}
		f := w.do(ctx, what, reason)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case f.over != "":
			return w.over(ctx, f.over)
		case f.err != nil:
			w.tries++
			err = send(ctx, out, w.standing(f.err))
		case f.stands:
			w.tries, w.ending = 0, false
			w.ends.Reset()
			w.last.Lease = w.held.lease.l
			err = send(ctx, out, w.standing(nil))
		}
		if err != nil {
			return err
		}
	}
}

// do does a task, and gives it up when another session comes: what hangs on the
// one before is to be replaced then, however long an answer is not given.
func (w *Watcher) do(ctx context.Context, what task, reason string) found {
	cur, changed := w.o.Sessions.Get()
	if cur != w.base {
		return found{}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-changed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return w.held.do(ctx, what, reason)
}

// over notes why the lease is to be replaced. Leases that Vault ends early one
// after another, none of them seen alive, are not asked for without a pause.
func (w *Watcher) over(ctx context.Context, reason string) error {
	w.why = reason
	if reason != ReasonRevoked {
		w.ending = false
		return nil
	}
	w.log.Warn("Vault has ended the lease early; asking for new credentials")
	again := w.ending
	if w.ending = true; !again {
		return nil
	}
	return sleep(ctx, w.ends.Next())
}

// nextRead is when what has no lease is read again.
func (w *Watcher) nextRead(now time.Time) time.Time {
	if w.rot.on {
		return w.rot.at
	}
	issued := w.last.Lease.IssuedAt
	if issued.IsZero() { // an answer without a body
		issued = now
	}
	d, known := lifeWithoutLease(w.last, issued)
	if known {
		d = w.unhurried(fraction(d, w.o.Policy))
	} else {
		d = lease.Interval(w.o.StaticInterval, w.o.Policy.Rand)
	}
	at := issued.Add(d)
	if soon := now.Add(min(d, soonest)); !w.resumed && at.Before(soon) {
		return soon
	}
	return at
}

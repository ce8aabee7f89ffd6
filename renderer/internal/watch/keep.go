package watch

import (
	"context"
	"log/slog"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// KeepOptions are a lease that is not a Watcher's any more, and is still in use.
type KeepOptions struct {
	Session *vault.Session // that it hangs on
	Own     bool           // Session's token is the lease's own, and is kept alive too
	Lease   lease.Lease
	Full    time.Duration // the life that was granted at most; 0 = Lease.TTL
	Last    bool          // no renewal will prolong it further
	Policy  lease.Policy
	Lookup  time.Duration // as in Options
	Log     *slog.Logger
}

// Kept is what Keep has to tell: how the lease stands, or that it has ended.
type Kept struct {
	ID    string
	Lease lease.Lease
	Full  time.Duration
	Last  bool // no renewal will prolong it further
	Ended bool
}

// Keep keeps a superseded lease alive until ctx ends, and returns its error. It
// returns nil after it has told that the lease has ended.
func Keep(ctx context.Context, o KeepOptions, out chan<- Kept) error {
	h := newHolder(o.Session, o.Own, newLife(o.Policy, o.Lease, o.Full, o.Last), o.Lookup, o.Log)
	h.toTheEnd = true
	dead := false
	h.refused = func() { dead = true } // what hangs on a token ends with it
	for {
		at, what, reason := h.next()
		if err := sleep(ctx, time.Until(at)); err != nil {
			return err
		}
		f := h.do(ctx, what, reason)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		k := Kept{ID: o.Lease.ID, Lease: h.lease.l, Full: h.lease.full, Last: h.lease.last, Ended: dead || f.over != ""}
		if !k.Ended && !f.stands {
			continue
		}
		select {
		case out <- k:
		case <-ctx.Done():
			return ctx.Err()
		}
		if k.Ended {
			return nil
		}
	}
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

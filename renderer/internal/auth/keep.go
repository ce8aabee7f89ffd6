package auth

import (
	"context"
	"log/slog"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// KeepOptions are a token that is not in use for anything new, and that leases
// still hang on.
type KeepOptions struct {
	Session *vault.Session
	Lease   lease.Lease   // how it stands; a TTL of 0 never ends
	Full    time.Duration // the longest life that was granted; 0 = Lease.TTL
	Last    bool          // no renewal will prolong it further
	Policy  lease.Policy
	Log     *slog.Logger
}

// Kept is what KeepToken has to tell: how the token stands after a renewal, or
// that it has ended.
type Kept struct {
	N     uint64 // the session's number
	Lease lease.Lease
	Last  bool // no renewal will prolong it further
	Ended bool
}

// KeepToken renews a superseded token until ctx ends, and returns its error. It
// returns nil after it has told that the token has ended.
func KeepToken(ctx context.Context, o KeepOptions, out chan<- Kept) error {
	u := newUpkeep(o.Session, o.Lease, o.Full, o.Last, o.Policy, o.Log)
	for {
		if err := sleepUntil(ctx, u.keepAt()); err != nil {
			return err
		}
		kept := Kept{N: o.Session.N}
		if now := time.Now(); u.done() {
			kept.Ended = !now.Before(u.l.ExpiresAt())
		} else {
			before := u.l
			reason := u.prolong(ctx)
			kept.Ended = reason == ReasonRevoked || reason == ReasonExpired
			if !kept.Ended && u.l == before && !u.done() {
				continue // it is tried again
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		kept.Lease, kept.Last = u.l, u.last
		select {
		case out <- kept:
		case <-ctx.Done():
			return ctx.Err()
		}
		if kept.Ended {
			o.Log.Debug("a token of before has ended", "session", o.Session.N)
			return nil
		}
	}
}

package rollout

import (
	"context"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/reload"
)

// Told is what a Notifier has to tell.
type Told struct {
	Key  string
	Err  error         // nil: the application was told of everything up to Change
	Next time.Duration // after a failure: when the next try follows
	// Change is the number of the last change that the try was for.
	Change uint64
}

// Notifier runs one hook: at most one at a time, once for however many changes
// came in the meantime, and again with backoff after a failure until it has
// succeeded. No failure ever reaches Vault.
type Notifier struct {
	hook    reload.Hook
	rand    func() float64
	changes chan uint64 // of size 1: the newest change that is not told yet
}

// NewNotifier prepares a Notifier; give it one Run.
func NewNotifier(h reload.Hook, rand func() float64) *Notifier {
	return &Notifier{hook: h, rand: rand, changes: make(chan uint64, 1)}
}

// Notify says that change number n is in place. It does not block. Numbers grow.
func (n *Notifier) Notify(change uint64) {
	for {
		select {
		case n.changes <- change:
			return
		default:
		}
		select {
		case <-n.changes:
		default:
		}
	}
}

// Hook is the hook that is run.
func (n *Notifier) Hook() reload.Hook { return n.hook }

// Run tells the application of every change until ctx ends.
func (n *Notifier) Run(ctx context.Context, out chan<- Told) error {
	b := lease.Backoff{Min: time.Second, Max: time.Minute, Rand: n.rand}
	var change uint64
	var retry <-chan time.Time
	for {
		select {
		case change = <-n.changes:
			b.Reset()
		case <-retry:
		case <-ctx.Done():
			return ctx.Err()
		}
		told := Told{Key: n.hook.Key(), Change: change, Err: n.hook.Run(ctx)}
		retry = nil
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if told.Err != nil {
			told.Next = b.Next()
			retry = time.After(told.Next)
		}
		select {
		case out <- told:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

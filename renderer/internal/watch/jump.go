package watch

import (
	"context"
	"time"

	"vault-renderer/renderer/internal/lease"
)

// Jumps calls jumped whenever time did not go on evenly: the host slept, a
// virtual machine was paused, the clock was set. It looks every so often until
// ctx ends. now gives the time of day and the time since some moment by a clock
// that nobody sets; nil = the process's own clocks. by is how far off the clocks
// were, below zero when the time of day went back.
func Jumps(ctx context.Context, every time.Duration, now func() (wall time.Time, mono time.Duration), jumped func(by time.Duration)) error {
	if now == nil {
		now = clocks()
	}
	var j lease.Jump
	wall, mono := now()
	j.Tick(wall, mono, every)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		wall, mono := now()
		if by := j.Tick(wall, mono, every); by != 0 {
			jumped(by)
		}
	}
}

// clocks gives the process's clocks.
func clocks() func() (time.Time, time.Duration) {
	start := time.Now()
	return func() (time.Time, time.Duration) {
		now := time.Now()
		return now, now.Sub(start)
	}
}

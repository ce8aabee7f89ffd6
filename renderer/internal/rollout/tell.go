package rollout

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/reload"
)

// Between the tries of a hook.
const (
	retryMin = time.Second
	retryMax = 10 * time.Second
)

// generationHook is a reload.Hook that hands the generation on.
type generationHook interface {
	RunFor(ctx context.Context, g reload.Generation) error
}

// tell runs the hooks, one after the other.
func (r *run) tell(ctx context.Context) (Outcome, error) {
	if len(r.Hooks) > 0 && !pause(ctx, r.splay()) {
		return stopped(ctx)
	}
	changed := r.j.changed()
	for _, t := range r.Hooks {
		if !t.wanted(changed) {
			continue
		}
		r.at("tell " + t.Hook.String())
		err := r.tellOne(ctx, t, r.generation)
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return stopped(ctx)
		}
		return r.refuse(ctx, fmt.Errorf("the application could not be told: %w", err))
	}
	return goOn, nil
}

// wanted says whether t is to be run after these destinations changed.
func (t Telling) wanted(changed map[string]bool) bool {
	if t.Always || t.Files == nil {
		return true
	}
	return slices.ContainsFunc(t.Files, func(path string) bool { return changed[path] })
}

// tellOne runs a hook until it succeeds, ctx ends or its tries are used up.
func (r *run) tellOne(ctx context.Context, t Telling, g reload.Generation) error {
	b := lease.Backoff{Min: retryMin, Max: retryMax, Rand: r.Rand}
	for try := 0; ; try++ {
		err := runHook(ctx, t.Hook, g)
		if err == nil {
			return nil
		}
		if try >= t.Retries || !pause(ctx, b.Next()) {
			return fmt.Errorf("%w (tries: %d)", err, try+1)
		}
	}
}

func runHook(ctx context.Context, h reload.Hook, g reload.Generation) error {
	if h, ok := h.(generationHook); ok {
		return h.RunFor(ctx, g)
	}
	return h.Run(ctx)
}

func (r *run) splay() time.Duration {
	if r.Rand == nil {
		return 0
	}
	return time.Duration(float64(r.Splay) * r.Rand())
}

// pause waits for d; false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

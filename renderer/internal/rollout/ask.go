package rollout

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"vault-renderer/renderer/internal/reload"
)

const defaultAckTimeout = time.Minute

// ask waits until every acker has confirmed. The first that does not ends the
// others.
func (r *run) ask(ctx context.Context) (Outcome, error) {
	r.at("ask")
	group, groupCtx := errgroup.WithContext(ctx)
	for _, k := range r.Acks {
		group.Go(func() error { return k.wait(groupCtx, r.generation) })
	}
	err := group.Wait()
	switch {
	case err == nil:
		return goOn, nil
	case ctx.Err() != nil:
		return stopped(ctx)
	}
	return r.refuse(ctx, err)
}

func (k Asking) wait(ctx context.Context, g reload.Generation) error {
	timeout := k.Timeout
	if timeout <= 0 {
		timeout = defaultAckTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := k.Acker.Wait(ctx, g); err != nil {
		return fmt.Errorf("the application did not confirm generation %d within %s: %w", g.N, timeout, err)
	}
	return nil
}

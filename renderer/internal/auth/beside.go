package auth

import (
	"context"
	"sync"

	"vault-renderer/renderer/internal/vault"
)

// beside runs a method's Renew beside the keeping of a token.
type beside struct {
	method  Renewer // nil = the method has none
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// start runs Renew with s; nil = there is no session for it.
func (b *beside) start(ctx context.Context, s *vault.Session) {
	b.stop()
	if b.method == nil || s == nil {
		return
	}
	ctx, b.cancel = context.WithCancel(ctx)
	b.running.Go(func() { b.method.Renew(ctx, s) })
}

// stop returns when Renew has ended.
func (b *beside) stop() {
	if b.cancel != nil {
		b.cancel()
		b.cancel = nil
	}
	b.running.Wait()
}

package agent

import (
	"context"
	"time"

	"vault-renderer/renderer/internal/state"
	"vault-renderer/renderer/internal/vault"
)

// ownToken makes a token for what is leased next. It is in the state file before
// it is used: whatever a crash leaves unanswered ends with it at the next start.
func (a *Agent) ownToken(r vault.Request) func(context.Context, *vault.Session) (*vault.Session, error) {
	return func(ctx context.Context, s *vault.Session) (*vault.Session, error) {
		if err := a.afterOwed(ctx); err != nil {
			return nil, err
		}
		own, err := s.Child(ctx)
		if err != nil {
			return nil, err
		}
		err = a.do(ctx, func() {
			a.asked[own] = state.InFlight{
				Method: r.Method, Path: r.Path, Params: state.Hide(r.Params), Own: state.Hide(own.Token().Reveal()), At: time.Now(),
			}
			a.unsaved = true
			a.save()
		})
		return own, err
	}
}

// disown forgets a token that the watcher ended itself.
func (a *Agent) disown(own *vault.Session) {
	_ = a.do(a.ctx, func() { // its end is the program's: the state was saved with it
		delete(a.asked, own)
		a.unsaved = true
	})
}

package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"vault-renderer/renderer/internal/destination"
	"vault-renderer/renderer/internal/rollout"
	"vault-renderer/renderer/internal/vault"
)

// leave is the end of a run, after its goroutines: the state is saved for the
// next one, or with on_exit = "revoke" nothing is left.
func (a *Agent) leave() {
	if a.dry {
		return
	}
	for _, f := range a.flights {
		if j := f.result.Journal; f.result.Outcome == rollout.Stopped && j.Open() {
			a.movedOf(f.name).unacked = &j
		}
	}
	nothingLeft := a.plan.cfg.OnExit.Revoke && a.revokeAll() == nil
	if a.store == nil {
		return
	}
	a.unsaved = true
	if nothingLeft {
		if err := a.store.Remove(); err != nil {
			a.log("state").Error("the state file could not be removed", "error", err)
		}
	} else {
		a.save()
	}
	if err := a.store.Close(); err != nil {
		a.log("state").Error("the state file could not be closed", "error", err)
	}
}

// revokeAll ends all leases and tokens and removes the files, within its bound.
// What could not be ended stays in the state file for the next start.
func (a *Agent) revokeAll() error {
	o := a.plan.cfg.OnExit
	ctx, cancel := context.WithTimeout(context.Background(), o.Timeout)
	defer cancel()
	began := time.Now()
	a.removeFiles()
	leases := len(a.ledger.lent)
	err := errors.Join(a.endLeases(ctx), a.endTokens(ctx))
	if err != nil {
		a.o.Log.Error("on_exit: not everything could be revoked; it lives until it lapses, or until the next start with this state_file", "error", err, "leases", len(a.ledger.lent))
		return err
	}
	a.o.Log.Info("on_exit: leases and token revoked, files removed", "leases", leases, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// endLeases revokes every lease by itself, so that the accounts are gone when
// the answer comes. Where the policy forbids that, the token takes them along.
func (a *Agent) endLeases(ctx context.Context) error {
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, l := range slices.Collect(maps.Values(a.ledger.lent)) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			ended, err := a.endNow(ctx, l)
			mu.Lock()
			defer mu.Unlock()
			if ended {
				delete(a.ledger.lent, l.id)
			}
			errs = append(errs, err)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// endNow ends one lease. One that is neither ended nor an error ends with the
// token, a moment later.
func (a *Agent) endNow(ctx context.Context, l *lent) (ended bool, err error) {
	s := l.session
	if newest := a.holding.session; newest != nil && !l.own {
		s = newest
	}
	if s == nil || l.dead() {
		return true, nil
	}
	err = s.RevokeLease(ctx, l.id)
	if l.own {
		err = s.RevokeSelf(ctx)
	}
	switch c := vault.ClassOf(err); {
	case err == nil || c == vault.InvalidToken && l.own:
		return true, nil
	case c == vault.Denied && a.ours():
		return false, nil
	}
	return false, err
}

// endTokens revokes the tokens that logins of this program made.
func (a *Agent) endTokens(ctx context.Context) error {
	var errs []error
	for n, r := range a.ledger.retired {
		if r.ours {
			if err := endSelf(ctx, r.session); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		delete(a.ledger.retired, n)
	}
	if s := a.holding.session; s != nil && a.ours() {
		if err := endSelf(ctx, s); err != nil {
			return errors.Join(append(errs, err)...)
		}
		a.holding = holding{}
		if len(errs) == 0 {
			clear(a.ledger.lent) // they ended with their tokens
		}
	}
	clear(a.resumable)
	clear(a.entries)
	return errors.Join(errs...)
}

func endSelf(ctx context.Context, s *vault.Session) error {
	err := s.RevokeSelf(ctx)
	if vault.ClassOf(err) == vault.InvalidToken && err != nil {
		return nil
	}
	return err
}

// removeFiles takes away what was rendered, also what the application has not
// confirmed yet and what was kept to go back to, and the token.
func (a *Agent) removeFiles() {
	remove := func(path string) {
		if err := destination.Remove(path); err != nil {
			a.o.Log.Error("on_exit: a file could not be removed", "error", err)
		}
	}
	for _, u := range a.plan.units {
		if (u.done || len(u.placed) > 0) && u.variable == "" {
			remove(u.file.Path)
		}
		for _, p := range u.side {
			remove(p)
		}
		u.done, u.placed, u.acked = false, nil, nil
	}
	for _, s := range a.plan.sinks {
		remove(s.Path)
	}
	for _, m := range a.moved {
		m.unacked = nil // nothing is left to go on with, or to go back to
	}
	a.sweep()
}

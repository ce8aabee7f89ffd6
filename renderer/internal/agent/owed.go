package agent

import (
	"context"
	"fmt"
	"time"
)

// owed are the revocations that an earlier run did not come to. New leases wait
// for them: there are never more accounts than the one in use and the one that
// takes its place.
type owed struct {
	open map[*lent]bool
	done chan struct{} // closed when each was tried; nil = there are none
}

// owedTime bounds how long a new lease waits: Vault may answer other requests
// although it does not answer these.
const owedTime = 5 * time.Second

// owe books what is to be revoked before anything else is leased.
func (a *Agent) owe(l *lent) {
	if a.owed.done == nil {
		a.owed = owed{open: map[*lent]bool{}, done: make(chan struct{})}
	}
	a.owed.open[l] = true
}

// quit notes that a revocation was tried, or is not due any more.
func (a *Agent) quit(l *lent) {
	if !a.owed.open[l] {
		return
	}
	if delete(a.owed.open, l); len(a.owed.open) == 0 {
		close(a.owed.done)
	}
}

// afterOwed returns when what was owed was tried, or too much time has passed.
func (a *Agent) afterOwed(ctx context.Context) error {
	if a.owed.done == nil {
		return nil
	}
	bound := time.NewTimer(owedTime)
	defer bound.Stop()
	select {
	case <-a.owed.done:
	case <-bound.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// unanswered makes up a name for a lease of which only the token is known. An
// earlier crash may have left one like it.
func (a *Agent) unanswered() string {
	for i := 0; ; i++ {
		if id := fmt.Sprintf("unanswered request %d", i); a.ledger.lent[id] == nil {
			return id
		}
	}
}

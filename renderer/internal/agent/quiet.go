package agent

import (
	"time"

	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/lease"
)

// quiet holds back a template with a wait block while its secrets change.
type quiet struct {
	until time.Time // zero = nothing is held back
	limit time.Time // however much changes
}

// hold starts or prolongs the pause after a change. old is the life of what was
// replaced: its files must be changed while half of what is left of it remains.
func (q *quiet) hold(w *config.Wait, old lease.Lease, now time.Time) {
	if q.until.IsZero() {
		q.limit = now.Add(w.Max)
	}
	if left := old.ExpiresAt().Sub(now); old.Leased() {
		q.limit = sooner(q.limit, now.Add(max(left/2, 0)))
	}
	q.until = sooner(now.Add(w.Min), q.limit)
}

// changed has the users of a secret executed: at once, or after their wait. The
// first render is never held back.
func (a *Agent) changed(e *entry, old lease.Lease) {
	now := time.Now()
	for u := range e.users {
		if u.cfg.Wait == nil || !u.done {
			a.touch(u)
			continue
		}
		u.quiet.hold(u.cfg.Wait, old, now)
		a.retryAt = sooner(a.retryAt, u.quiet.until)
	}
}

package agent

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
	"vault-renderer/renderer/internal/watch"
)

// lent is a lease that was given to the agent and whose end is not known. The
// ledger has each from the answer that brought it until it is revoked or over.
type lent struct {
	id      string
	request vault.Request
	lease   lease.Lease
	full    time.Duration
	last    bool           // no renewal will help any more
	session *vault.Session // that it hangs on
	token   uint64         // number of the login that it hangs on
	own     bool           // the session has a token of the lease's own

	ends atomic.Int64 // Unix nanoseconds; 0 = it has ended

	stopKeep context.CancelFunc // of the renewals beside the watcher; nil = none

	freed time.Time // since when nothing needs it; zero = it is needed
	after time.Time // freed and to be revoked, then; zero = it lapses
	busy  bool      // being revoked
	tries int
}

func (l *lent) set(x lease.Lease, full time.Duration, last bool) {
	l.lease, l.full, l.last = x, full, last
	l.ends.Store(x.ExpiresAt().UnixNano())
}

// dead says whether the lease has ended, as far as is known without asking.
func (l *lent) dead() bool {
	ends := l.ends.Load()
	return ends == 0 || time.Now().UnixNano() >= ends
}

// retired is a token that another one has taken the place of. It is kept while
// credentials in use hang on it.
type retired struct {
	session *vault.Session
	life    lease.Lease
	full    time.Duration
	last    bool
	ours    bool // made by a login of this program
	stop    context.CancelFunc
	after   time.Time // not needed any more and to be revoked, then; zero = needed, or it lapses
	free    bool
	busy    bool
	tries   int
}

// terms are what holds for credentials that are not used any more.
type terms struct {
	revoke bool
	grace  time.Duration
}

// ledger is the loop's book of leases and tokens.
type ledger struct {
	lent    map[string]*lent
	retired map[uint64]*retired
	dirty   bool // something may be free now
	kept    chan watch.Kept
	denied  bool // sys/leases/revoke is not allowed
}

// ended says what came of a revocation.
type ended struct {
	id    string // of the lease; "" = the token
	token uint64
	err   error
}

func newLedger() ledger {
	return ledger{lent: map[string]*lent{}, retired: map[uint64]*retired{}, kept: make(chan watch.Kept)}
}

// enter books what an update brought.
func (a *Agent) enter(u watch.Update) {
	if !u.Lease.Leased() {
		return
	}
	l := a.ledger.lent[u.Lease.ID]
	if l == nil {
		l = &lent{id: u.Lease.ID, request: u.Request, session: u.Session, own: u.Own}
		if u.Session != nil {
			l.token = u.Session.N
		}
		a.ledger.lent[l.id] = l
	}
	l.set(u.Lease, u.Full, u.Last)
}

// needed are the leases that must live: those of the newest values, of what is
// in place, and of what the applications have acknowledged.
func (a *Agent) needed() map[string]bool {
	out := map[string]bool{}
	add := func(ids []string) {
		for _, id := range ids {
			out[id] = true
		}
	}
	for _, e := range a.entries {
		if e.secret != nil {
			out[e.secret.Lease.ID] = true
		}
	}
	for _, u := range a.plan.units {
		add(u.placed)
		add(u.acked)
		if u.ready {
			add(u.leases)
		}
	}
	for _, f := range a.flights {
		for _, ids := range f.leases {
			add(ids)
		}
	}
	for _, v := range a.resumable {
		out[v.secret.Lease.ID] = true
	}
	return out
}

// settle brings the ledger in step with what is needed: what is needed and has
// no watcher any more is kept alive, what is not is freed on its terms.
func (a *Agent) settle() {
	if !a.ledger.dirty {
		return
	}
	a.ledger.dirty = false
	needed := a.needed()
	for id, l := range a.ledger.lent {
		switch {
		case l.busy:
		case needed[id]:
			l.freed, l.after = time.Time{}, time.Time{}
			if a.isWatched(l) {
				a.stopKeeping(l)
			} else {
				a.keepAlive(l)
			}
		case l.freed.IsZero():
			a.free(l)
		}
		if l.dead() && !needed[id] && !l.busy {
			delete(a.ledger.lent, id)
		}
	}
	a.settleTokens(needed)
	a.dueAt = sooner(a.dueAt, a.nextRevocation())
	a.unsaved = true
}

// free lets go of a lease. What was never in use of an application waits for
// nothing.
func (a *Agent) free(l *lent) {
	l.freed = time.Now()
	a.stopKeeping(l)
	t, used := a.terms[l.id]
	delete(a.terms, l.id)
	if !used {
		t = terms{revoke: a.revokes()}
	}
	if t.revoke {
		l.after = l.freed.Add(t.grace)
	}
}

// keepAlive renews a lease that is needed beside the newest one.
func (a *Agent) keepAlive(l *lent) {
	if l.stopKeep != nil || l.dead() || l.session == nil {
		return
	}
	ctx, cancel := context.WithCancel(a.ctx)
	l.stopKeep = cancel
	o := watch.KeepOptions{
		Session: l.session, Own: l.own, Lease: l.lease, Full: l.full, Last: l.last, Policy: a.policy,
		Lookup: a.plan.cfg.Leases.LookupInterval, Log: a.log("lease"),
	}
	a.spawn(ctx, func(ctx context.Context) error { return watch.Keep(ctx, o, a.ledger.kept) })
}

// isWatched says whether a Watcher keeps the lease alive, or will in a moment.
func (a *Agent) isWatched(l *lent) bool {
	if v, there := a.resumable[l.request]; there && v.secret.Lease.ID == l.id {
		return true
	}
	e := a.entries[l.request]
	return e != nil && e.secret != nil && e.secret.Lease.ID == l.id
}

func (a *Agent) stopKeeping(l *lent) {
	if l.stopKeep != nil {
		l.stopKeep()
		l.stopKeep = nil
	}
}

func (a *Agent) onKept(k watch.Kept) {
	l := a.ledger.lent[k.ID]
	if l == nil {
		return
	}
	if k.Ended {
		l.ends.Store(0)
		a.stopKeeping(l)
		a.log("lease").Warn("credentials that are still in use have ended before the new ones were taken", "secret", l.request.String())
		a.hurry(l.id)
	} else {
		l.set(k.Lease, k.Full, k.Last)
		a.unsaved = true
	}
	a.ledger.dirty = true
}

// hurry has the files with a lease that has ended replaced now, whatever the
// application answered before.
func (a *Agent) hurry(id string) {
	for _, u := range a.plan.units {
		if slices.Contains(u.placed, id) {
			u.retryAt = time.Time{}
			a.touch(u)
		}
	}
}

// settleTokens frees the old tokens that nothing hangs on any more.
func (a *Agent) settleTokens(needed map[string]bool) {
	for n, r := range a.ledger.retired {
		if r.busy || r.free {
			continue
		}
		inUse := slices.ContainsFunc(a.hanging(n), func(l *lent) bool { return needed[l.id] && !l.dead() })
		if inUse || a.tokenInUse(n) {
			continue
		}
		r.free = true
		if r.stop != nil {
			r.stop()
		}
		switch {
		case r.ours && a.revokes():
			r.after = time.Now().Add(a.graceOf(n))
		default:
			delete(a.ledger.retired, n)
		}
	}
}

// tokenInUse says whether tokens that templates made with a token, and which
// end with it, may be in use still: they have no lease.
func (a *Agent) tokenInUse(n uint64) bool {
	for _, e := range a.entries {
		if e.secret == nil || e.secret.Auth == nil {
			continue
		}
		if e.session != nil && e.session.N == n {
			return true
		}
		for u := range e.users {
			if !u.settled() || u.flight != nil || !u.told {
				return true
			}
		}
	}
	return false
}

// hanging are the leases that hang on a token.
func (a *Agent) hanging(token uint64) (out []*lent) {
	for _, l := range a.ledger.lent {
		if l.token == token {
			out = append(out, l)
		}
	}
	return out
}

// graceOf is how long the leases of a token are let live still.
func (a *Agent) graceOf(token uint64) time.Duration {
	var d time.Duration
	for _, l := range a.hanging(token) {
		d = max(d, time.Until(l.after))
	}
	return d
}

// revokes says whether the configuration has anything revoked.
func (a *Agent) revokes() bool {
	cfg := a.plan.cfg
	return cfg.Leases.Revoke == config.RevokeAlways || slices.ContainsFunc(cfg.Rollouts, func(r config.Rollout) bool {
		return r.Revoke == config.RevokeAlways || r.Revoke == config.RevokeAcked && r.Ack != nil
	})
}

package agent

import (
	"context"
	"time"

	"vault-renderer/renderer/internal/auth"
	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// holding is the token that new leases hang on.
type holding struct {
	session  *vault.Session // nil = there is none yet
	accessor string
	life     lease.Lease
	full     time.Duration
	last     bool
	reason   string // why it was logged in for
	since    time.Time
}

// ours says whether tokens are made by logins of this program: one that lies in
// a file belongs to somebody else.
func (a *Agent) ours() bool { return methodOf(a.plan.cfg).TokenFile == nil }

// hold takes over a new session; the token of the one before is kept as long as
// credentials in use hang on it.
func (a *Agent) hold(e authEvent) {
	if s := a.holding.session; s == nil || s.N != e.Session.N { // else it is the resumed token, which is held already
		a.retire(e.Reason == auth.ReasonRevoked || e.Reason == auth.ReasonExpired)
	}
	h := holding{session: e.Session, reason: e.Reason, since: time.Now()}
	if e.Auth != nil {
		h.accessor, h.life, h.full = e.Auth.Accessor, e.Auth.TTL, e.Auth.TTL.TTL
	}
	if e.Life != nil {
		h.life, h.full, h.last = e.Life.Lease, e.Life.Full, e.Life.Last
	}
	a.holding = h
	a.unsaved = true
}

// retire lets another token take the place of the present one.
func (a *Agent) retire(ended bool) {
	h := a.holding
	a.holding = holding{}
	if h.session == nil {
		return
	}
	a.ledger.dirty = true
	if ended {
		a.endHanging(h.session.N)
		return
	}
	a.keepToken(&retired{session: h.session, life: h.life, full: h.full, last: h.last, ours: a.ours()})
}

// keepToken books an old token and renews it beside the loop.
func (a *Agent) keepToken(r *retired) {
	n := r.session.N
	a.ledger.retired[n] = r
	if !r.ours || r.life.TTL <= 0 {
		return
	}
	ctx, cancel := context.WithCancel(a.ctx)
	r.stop = cancel
	o := auth.KeepOptions{Session: r.session, Lease: r.life, Full: r.full, Last: r.last, Policy: a.policy, Log: a.log("auth.handler")}
	a.spawn(ctx, func(ctx context.Context) error { return auth.KeepToken(ctx, o, a.keptTokens) })
}

func (a *Agent) onKeptToken(k auth.Kept) {
	r := a.ledger.retired[k.N]
	if r == nil {
		return
	}
	a.ledger.dirty = true
	if !k.Ended {
		r.life, r.last = k.Lease, k.Last
		return
	}
	if r.stop != nil {
		r.stop()
	}
	delete(a.ledger.retired, k.N)
	a.endHanging(k.N)
}

// endHanging notes that all leases of a token have ended with it.
func (a *Agent) endHanging(token uint64) {
	for _, l := range a.hanging(token) {
		l.ends.Store(0)
		a.stopKeeping(l)
		a.hurry(l.id)
	}
}

// onLife notes what a renewal or a look-up said of the present token.
func (a *Agent) onLife(l auth.Life) {
	a.holding.life, a.holding.full, a.holding.last = l.Lease, l.Full, l.Last
	a.unsaved = true
}

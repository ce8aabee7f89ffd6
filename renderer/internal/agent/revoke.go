package agent

import (
	"context"
	"log/slog"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

const (
	revokeTime  = 30 * time.Second // for one try
	revokeAgain = 5 * time.Minute  // the longest pause between tries
	atOnce      = 8                // revocations
)

// nextRevocation is when the first freed lease or token is due, or ends by
// itself; zero = there is none.
func (a *Agent) nextRevocation() (next time.Time) {
	for _, l := range a.ledger.lent {
		switch {
		case l.freed.IsZero() || l.busy:
		case !l.after.IsZero():
			next = sooner(next, l.after)
		default:
			next = sooner(next, l.lease.ExpiresAt())
		}
	}
	for _, r := range a.ledger.retired {
		if r.free && !r.busy {
			next = sooner(next, r.after)
		}
	}
	return next
}

// revokeDue ends what is due. A token takes its leases with it.
func (a *Agent) revokeDue(now time.Time) {
	if a.dueAt.IsZero() || now.Before(a.dueAt) {
		return
	}
	a.ledger.dirty = true // what has ended by itself is taken out of the book
	running := 0
	for n, r := range a.ledger.retired {
		if r.free && !r.busy && !r.after.IsZero() && !now.Before(r.after) {
			r.busy = true
			a.endToken(n, r.session)
		}
	}
	for _, l := range a.ledger.lent {
		if l.busy {
			running++
		}
	}
	for id, l := range a.ledger.lent {
		if l.freed.IsZero() || l.busy || l.after.IsZero() || now.Before(l.after) || running >= atOnce {
			continue
		}
		if r := a.ledger.retired[l.token]; r != nil && r.free && !l.own {
			continue // it ends with its token
		}
		l.busy = true
		running++
		a.endLease(id, l)
	}
	a.dueAt = time.Time{}
}

// endLease revokes a lease beside the loop: with its own token if it has one,
// else by its id with the newest token, which is the one that lives longest.
func (a *Agent) endLease(id string, l *lent) {
	s, own := l.session, l.own
	if newest, _ := a.sessions.Get(); newest != nil && !own {
		s = newest
	}
	a.beside(ended{id: id, token: l.token}, func(ctx context.Context) error {
		if own {
			return s.RevokeSelf(ctx)
		}
		return s.RevokeLease(ctx, id)
	})
}

func (a *Agent) endToken(n uint64, s *vault.Session) {
	a.beside(ended{token: n}, s.RevokeSelf)
}

// beside runs one revocation and reports to the loop.
func (a *Agent) beside(e ended, f func(context.Context) error) {
	a.spawn(a.ctx, func(ctx context.Context) error {
		bound, cancel := context.WithTimeout(ctx, revokeTime)
		defer cancel()
		if e.err = f(bound); vault.ClassOf(e.err) == vault.InvalidToken && e.err != nil && e.id == "" {
			e.err = nil // it has ended already
		}
		return a.do(ctx, func() { a.onEnded(e) })
	})
}

func (a *Agent) onEnded(e ended) {
	a.ledger.dirty, a.unsaved = true, true
	if e.id == "" {
		a.onTokenEnded(e)
		return
	}
	l := a.ledger.lent[e.id]
	if l == nil {
		return
	}
	l.busy = false
	a.quit(l)
	switch c := vault.ClassOf(e.err); {
	case e.err == nil, l.own && c == vault.InvalidToken:
		delete(a.ledger.lent, e.id)
		a.o.Metrics.LeaseRevoked()
		a.log("lease").Info("old credentials revoked", "secret", l.request.String())
	case c == vault.Denied:
		l.after = time.Time{} // it lapses
		a.sayDenied(e.err)
	default:
		l.tries++
		l.after = time.Now().Add(pause(l.tries, a.o.Rand))
		if l.tries == 1 {
			a.log("lease").Warn("old credentials could not be revoked; trying again until they end by themselves", "secret", l.request.String(), "error", e.err)
		}
	}
}

func (a *Agent) onTokenEnded(e ended) {
	r := a.ledger.retired[e.token]
	if r == nil {
		return
	}
	r.busy = false
	switch {
	case e.err == nil:
		delete(a.ledger.retired, e.token)
		for _, l := range a.hanging(e.token) {
			if !l.freed.IsZero() && !l.busy {
				delete(a.ledger.lent, l.id)
				a.o.Metrics.LeaseRevoked()
			}
		}
		a.log("auth.handler").Info("old token revoked", "session", e.token)
	case vault.ClassOf(e.err) == vault.Denied || time.Now().After(r.life.ExpiresAt()) && r.life.TTL > 0:
		delete(a.ledger.retired, e.token)
		a.log("auth.handler").Warn("the old token could not be revoked; it lapses", "error", e.err)
	default:
		r.tries++
		r.after = time.Now().Add(pause(r.tries, a.o.Rand))
	}
}

// sayDenied says once what the policy lacks.
func (a *Agent) sayDenied(err error) {
	level := slog.LevelDebug
	if !a.ledger.denied {
		a.ledger.denied, level = true, slog.LevelWarn
	}
	a.log("lease").Log(context.Background(), level, "old credentials may not be revoked and live until they lapse; the policy lacks: "+
		`path "sys/leases/revoke" { capabilities = ["update"] } (or own_token = true in the lease block, and path "auth/token/create" { capabilities = ["update"] })`, "error", err)
}

// pause is how long to wait after a number of failures in a row.
func pause(tries int, rand func() float64) time.Duration {
	b := lease.Backoff{Min: time.Second, Max: revokeAgain, Rand: rand}
	var d time.Duration
	for range min(tries, 12) {
		d = b.Next()
	}
	return d
}

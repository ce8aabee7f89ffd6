package agent

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/status"
	"vault-renderer/renderer/internal/vault"
)

// Status asks the loop how everything is. Its error says that the loop does not
// answer in time, or has ended.
func (a *Agent) Status(ctx context.Context) (r status.Report, err error) {
	err = a.do(ctx, func() { r = a.report() })
	return r, err
}

// Refresh has everything that is in use looked up at once: an application was
// refused, or somebody knows that something changed. It does not block.
func (a *Agent) Refresh(reason string) {
	select {
	case a.pokes <- reason:
	default: // one is waiting
	}
}

// onPoke looks everything up.
func (a *Agent) onPoke(reason string) {
	a.o.Log.Info("looking up everything that is in use", "because", reason)
	if k := a.keeper.Load(); k != nil {
		k.Check()
	}
	for _, e := range a.entries {
		e.watcher.Check()
	}
}

// report builds the answer to a question.
func (a *Agent) report() status.Report {
	r := status.Report{
		Version: a.o.Version, PID: os.Getpid(), Started: a.started, Time: time.Now(), Vault: status.VaultAnswers,
		Token: a.tokenReport(), Secrets: []status.SecretReport{}, Rollouts: a.rolloutReports(),
	}
	if a.away {
		r.Vault = "away since " + a.awaySince.Format(time.RFC3339)
	}
	for _, q := range a.sortedRequests() {
		r.Secrets = append(r.Secrets, a.secretReport(q.String(), a.entries[q]))
	}
	for _, l := range a.ledger.lent {
		if !l.freed.IsZero() {
			r.Revoking++
		}
	}
	r.Reasons = a.reasons()
	r.Ready = len(r.Reasons) == 0
	return r
}

// sortedRequests are the secrets in use, in an order for people.
func (a *Agent) sortedRequests() []vault.Request {
	return slices.SortedFunc(maps.Keys(a.entries), func(x, y vault.Request) int {
		return cmp.Or(cmp.Compare(x.Path, y.Path), cmp.Compare(x.Method, y.Method), cmp.Compare(x.Params, y.Params))
	})
}

// reasons are why the program is not ready; none = it is.
func (a *Agent) reasons() (out []string) {
	if a.plan.cfg.AutoAuth != nil && a.token.Empty() {
		out = append(out, "no login has succeeded yet")
	}
	for _, u := range a.plan.units {
		switch {
		case !u.done && u.err == nil:
			out = append(out, fmt.Sprintf("template %q: not rendered yet", u.cfg.Name))
		case u.err != nil && !u.stale():
			out = append(out, u.err.Error())
		case a.lapsed(u):
			out = append(out, fmt.Sprintf("template %q: the credentials in %s have ended", u.cfg.Name, u.cfg.Destination))
		}
	}
	for _, n := range a.notifiers {
		if n.err != nil {
			out = append(out, n.err.Error())
		}
	}
	switch p := a.process; {
	case p == nil:
	case p.err != nil:
		out = append(out, p.err.Error())
	case !p.set:
		out = append(out, "the program is not started: not everything that it needs is there")
	case p.ready == 0:
		out = append(out, "the program has been started and is not ready yet")
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// stale says whether the unit's error is only that Vault has nothing newer than
// what is in place.
func (u *unit) stale() bool { return u.done && fromVault(u.err) }

// lapsed says whether what is in place has ended.
func (a *Agent) lapsed(u *unit) bool {
	return slices.ContainsFunc(u.placed, func(id string) bool {
		l := a.ledger.lent[id]
		return l == nil || l.dead()
	})
}

func (a *Agent) tokenReport() *status.TokenReport {
	h := a.holding
	if h.session == nil {
		return nil
	}
	t := &status.TokenReport{Session: h.session.N, IssuedAt: h.since, Renewable: h.life.Renewable && !h.last}
	if h.life.TTL <= 0 {
		return t
	}
	end := h.life.ExpiresAt()
	t.ExpiresAt = &end
	p := a.exact()
	if t.Renewable {
		at := p.RenewAt(h.life)
		t.Renews, t.Limit = &at, status.LimitToken
		return t
	}
	at := p.ReplaceAt(renewable(h.life), h.full)
	t.Replaced, t.Limit = &at, status.LimitToken
	if h.last {
		t.Limit = status.LimitTokenMax
	}
	return t
}

// exact is the policy without its spread: what is shown is the latest moment.
func (a *Agent) exact() lease.Policy {
	p := a.policy
	p.Rand = nil
	return p
}

func renewable(l lease.Lease) lease.Lease {
	l.Renewable = true
	return l
}

func (a *Agent) secretReport(name string, e *entry) status.SecretReport {
	r := status.SecretReport{Secret: name, Reason: e.reason}
	if e.err != nil {
		r.Error, r.NextAction = e.err.Error(), status.ActionRetry
	}
	if e.secret == nil {
		return r
	}
	since := e.since
	r.Since = &since
	l := e.secret.Lease
	if !l.Leased() {
		r.NextAction = cmp.Or(r.NextAction, status.ActionRead)
		return r
	}
	r.Lease = l.ID[:max(strings.LastIndexByte(l.ID, '/'), 0)]
	r.Renewable = l.Renewable && !e.last
	end := l.ExpiresAt()
	p := a.exact()
	at, action := p.ReplaceAt(l, e.full), status.ActionReplace
	switch {
	case r.Renewable:
		at, action = p.RenewAt(l), status.ActionRenew
	case e.last:
		at = p.ReplaceAt(renewable(l), e.full)
	}
	r.Limit = a.limit(l, e.last)
	if t := a.holding; !e.own && t.life.TTL > 0 && t.life.ExpiresAt().Before(end) {
		end = t.life.ExpiresAt()
	}
	r.ExpiresAt, r.NextAt, r.NextAction = &end, &at, cmp.Or(r.NextAction, action)
	return r
}

// limit says which of the four limits ends a lease first. What a renewal still
// prolongs counts only when nothing else ends it.
func (a *Agent) limit(l lease.Lease, last bool) status.Limit {
	type end struct {
		at    time.Time
		hard  bool
		limit status.Limit
	}
	ends := []end{{l.ExpiresAt(), last || !l.Renewable, status.LimitLease}}
	if last {
		ends[0].limit = status.LimitLeaseMax
	}
	if t := a.holding; t.life.TTL > 0 {
		e := end{t.life.ExpiresAt(), t.last || !t.life.Renewable, status.LimitToken}
		if t.last {
			e.limit = status.LimitTokenMax
		}
		ends = append(ends, e)
	}
	first := slices.MinFunc(ends, func(x, y end) int {
		if x.hard != y.hard {
			if x.hard {
				return -1
			}
			return 1
		}
		return x.at.Compare(y.at)
	})
	return first.limit
}

// rolloutReports are the managed rollouts, and every other template by itself.
func (a *Agent) rolloutReports() []status.RolloutReport {
	out := []status.RolloutReport{}
	seen := map[*unit]bool{}
	for _, u := range a.plan.units {
		if seen[u] {
			continue
		}
		group := []*unit{u}
		rules := a.rulesOf(a.rolloutOf(u))
		name, m := u.cfg.Name, (*moved)(nil)
		if managed(rules) {
			group, name = a.rolloutOf(u), nameOf(rules)
			m = a.movedOf(name)
		}
		r := plainReport(u, name)
		if m != nil {
			since := m.since
			r.Generation, r.Digest, r.Stage, r.Since = m.generation, m.digest, status.Stage(m.stage), &since
			if m.err != nil {
				r.Error = m.err.Error()
			}
		}
		for _, g := range group {
			seen[g] = true
			r.Files = append(r.Files, g.key())
		}
		out = append(out, r)
	}
	return out
}

func plainReport(u *unit, name string) status.RolloutReport {
	r := status.RolloutReport{Name: name, Generation: u.generation, Digest: u.digest, Stage: status.StageNone}
	switch {
	case u.done && u.told:
		r.Stage = status.StageAcked
	case u.done:
		r.Stage = status.StageTelling
	case u.ready:
		r.Stage = status.StageRendered
	}
	if u.err != nil {
		r.Error = u.err.Error()
	}
	if !u.retryAt.IsZero() {
		at := u.retryAt
		r.NextTry = &at
	}
	return r
}

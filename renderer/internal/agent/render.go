package agent

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"vault-renderer/renderer/internal/destination"
	"vault-renderer/renderer/internal/reload"
	"vault-renderer/renderer/internal/rollout"
	"vault-renderer/renderer/internal/tmpl"
	"vault-renderer/renderer/internal/vault"
)

// refresh executes what is dirty, puts in place what is ready, and tells the
// applications.
func (a *Agent) refresh() {
	queue := a.queue
	a.queue = nil
	for _, u := range queue {
		u.queued = false
		if u.dirty {
			a.execute(u)
		}
	}
	// Before the first login nothing is changed, not even by what needs no secret.
	if !a.token.Empty() {
		for _, u := range queue {
			a.roll(u)
		}
	}
	a.notify()
	a.feed()
}

// touchReady lets the first login put in place what waited for nothing else.
func (a *Agent) touchReady() {
	for _, u := range a.plan.units {
		if u.ready {
			a.touch(u)
		}
	}
}

// execute runs a template and keeps its watchers in step with what it uses.
func (a *Agent) execute(u *unit) {
	before := u.uses
	u.execute(store(a.entries), a.plan.cfg.Strict)
	for _, r := range u.uses {
		a.watch(r, u)
	}
	// An incomplete or failed execution may not have come to all it uses.
	if !u.missing && u.err == nil && !slices.Equal(before, u.uses) {
		a.unwatch(u, u.uses)
	}
	u.leases = a.leasesOf(u)
	a.retryAt = sooner(a.retryAt, u.retryAt)
	if u.err != nil {
		a.o.Metrics.TemplateFailed()
	}
	a.logFailure(u)
}

// leasesOf are the ids of the leases that an execution has used.
func (a *Agent) leasesOf(u *unit) (ids []string) {
	for _, r := range u.uses {
		if e := a.entries[r]; e != nil && e.secret != nil && e.secret.Lease.Leased() {
			ids = append(ids, e.secret.Lease.ID)
		}
	}
	return ids
}

// logFailure says once what is wrong with a template.
func (a *Agent) logFailure(u *unit) {
	if u.err == nil || u.err.Error() == u.logged {
		return
	}
	if c := vault.ClassOf(u.err); fromVault(u.err) && (c == vault.Transient || c == vault.Sealed) {
		return // said once for all templates
	}
	u.logged = u.err.Error()
	args := []any{"template", u.cfg.Name}
	if te := templateError(u.err); te != nil && te.Line > 0 {
		args = append(args, "at", u.place(te), "error", te.Detail)
	} else {
		args = append(args, "error", u.err)
	}
	what := "nothing is written yet"
	if u.done {
		what = "the last good file stays"
	}
	if u.variable == "" {
		args = append(args, "destination", u.cfg.Destination)
	}
	a.log("template.server").Error("template failed; "+what, args...)
}

// roll commits the rollout that u belongs to, unless a member is still waiting
// for its secrets. Members that fail are left out: one bad template never
// stops the others.
func (a *Agent) roll(u *unit) {
	var members []*unit
	group := a.rolloutOf(u)
	for _, m := range group {
		switch {
		case m.missing || m.dirty || !m.quiet.until.IsZero():
			return
		case m.ready:
			members = append(members, m)
		}
	}
	if len(members) == 0 {
		return
	}
	if f := inFlight(group); f != nil {
		a.supersede(f)
		return
	}
	if rules := a.rulesOf(group); managed(rules) {
		a.launch(group, rules)
		return
	}
	changed, err := a.place(members)
	if err != nil {
		for _, m := range members {
			m.fail(err)
			a.retryAt = sooner(a.retryAt, m.retryAt)
		}
		a.logFailure(members[0])
		return
	}
	a.committed(members, changed)
}

// place puts the members' files in place, and beside them what they write with
// writeToFile: all or none. A member counts as changed when any of its files is.
func (a *Agent) place(members []*unit) (changed []bool, err error) {
	var outs []rollout.Output
	var of []int
	changed = make([]bool, len(members))
	for i, m := range members {
		if m.variable != "" {
			changed[i] = !m.done || m.value != string(m.content)
			continue
		}
		outs, of = append(outs, rollout.Output{File: m.file, Content: m.content}), append(of, i)
		more, err := sideFiles(m)
		if err != nil {
			return nil, err
		}
		for _, o := range more {
			outs, of = append(outs, o), append(of, i)
		}
	}
	each, err := a.o.Place(outs)
	if err != nil {
		return nil, err
	}
	for i, c := range each {
		changed[of[i]] = changed[of[i]] || c
	}
	return changed, nil
}

// rolloutOf gives the templates that change together with u: all that share a
// leased secret or name the same rollout, directly or through others.
func (a *Agent) rolloutOf(u *unit) []*unit {
	group := []*unit{u}
	seen := map[*unit]bool{u: true}
	add := func(m *unit) {
		if !seen[m] {
			seen[m] = true
			group = append(group, m)
		}
	}
	for i := 0; i < len(group); i++ {
		for _, r := range group[i].uses {
			e := a.entries[r]
			if e == nil || e.secret == nil || !e.secret.Lease.Leased() {
				continue
			}
			for m := range e.users {
				add(m)
			}
		}
		for _, m := range a.plan.named[group[i].cfg.Rollout] {
			add(m)
		}
	}
	return group
}

func (a *Agent) committed(members []*unit, changed []bool) {
	a.change++
	if a.inspectAt.IsZero() {
		a.inspectAt = time.Now().Add(a.plan.cfg.TemplateConfig.StaticSecretRenderInterval)
	}
	for i, m := range members {
		a.inUse(m, changed[i])
		if !changed[i] {
			a.log("template.server").Debug("unchanged", "template", m.cfg.Name, "destination", m.cfg.Destination)
			continue
		}
		m.generation = a.change
		a.o.Metrics.TemplateRendered()
		if m.variable != "" {
			a.log("template.server").Info("rendered", "variable", m.variable, "generation", a.change)
			continue
		}
		a.log("template.server").Info("rendered", "template", m.cfg.Name, "destination", m.cfg.Destination, "generation", a.change)
		for _, h := range m.hooks {
			a.notifier(h).want = true
		}
		a.fileChanged(m)
	}
	for _, m := range members {
		if m.told {
			a.acknowledge(m, a.termsOf(a.rulesOf(members)))
		}
	}
	a.unsaved = true
	a.ledger.dirty = a.ledger.dirty || len(a.ledger.retired) > 0
}

// inUse notes that what a member was executed to is in place.
func (a *Agent) inUse(m *unit, changed bool) {
	telling := len(m.hooks) > 0 || m.variable != "" && a.process != nil
	m.told = (m.told || m.generation == 0) && !(changed && telling)
	m.side = pathsOf(m.writes)
	if m.variable != "" {
		m.value = string(m.content)
	} else {
		m.digest = destination.DigestOf(m.content)
		m.stamp = destination.Stat(m.file.Path)
	}
	m.ready, m.done, m.content, m.writes = false, true, nil, nil
	m.placed = m.leases
	m.heal()
}

// fileChanged has the child told, or started again, when nobody else tells of
// the file.
func (a *Agent) fileChanged(m *unit) {
	p := a.process
	switch {
	case p == nil || !p.set || len(m.hooks) > 0:
	case a.plan.cfg.Exec != nil && a.plan.cfg.Exec.ReloadSignal != "":
		p.reload = true
	default:
		p.restart = true
	}
}

// acknowledge notes that the application uses what is in place: what it used
// before is let go of.
func (a *Agent) acknowledge(u *unit, t terms) {
	for _, id := range u.acked {
		if !slices.Contains(u.placed, id) {
			a.terms[id] = t
			a.ledger.dirty = true
		}
	}
	u.acked = u.placed
	a.unsaved = true
}

// confirmed notes that a hook has run: those whose hooks have all run are told.
func (a *Agent) confirmed(key string) {
	for _, u := range a.plan.units {
		if u.told || !u.done || !slices.ContainsFunc(u.hooks, func(h reload.Hook) bool { return h.Key() == key }) {
			continue
		}
		u.told = !slices.ContainsFunc(u.hooks, func(h reload.Hook) bool {
			n := a.notifiers[h.Key()]
			return n != nil && (n.want || n.err != nil || n.told < n.notified)
		})
		if u.told {
			a.acknowledge(u, a.termsOf(a.rulesOf([]*unit{u})))
		}
	}
}

func pathsOf(writes []tmpl.WriteFile) (out []string) {
	for _, w := range writes {
		if p := filepath.Clean(w.Path); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// inspect looks whether the files are still those that were put in place, as
// often as secrets without a lease are read again, and restores what somebody
// else has changed or removed.
func (a *Agent) inspect(now time.Time) {
	a.inspectAt = now.Add(a.plan.cfg.TemplateConfig.StaticSecretRenderInterval)
	for _, u := range a.plan.units {
		if !u.done || u.dirty || u.ready || u.flight != nil || u.variable != "" || destination.Stat(u.file.Path) == u.stamp {
			continue
		}
		a.log("template.server").Warn("somebody else changed or removed the file; it is written again", "template", u.cfg.Name, "destination", u.cfg.Destination)
		a.touch(u)
	}
}

// notifier gives the one notifier of a hook, starting it if need be.
func (a *Agent) notifier(h reload.Hook) *notifier {
	if n := a.notifiers[h.Key()]; n != nil {
		return n
	}
	ctx, cancel := context.WithCancel(a.ctx)
	n := &notifier{Notifier: rollout.NewNotifier(h, a.o.Rand), stop: cancel}
	a.notifiers[h.Key()] = n
	a.spawn(ctx, func(ctx context.Context) error { return n.Run(ctx, a.told) })
	return n
}

// notify tells the hooks of what changed, in the order of the templates, each
// after the first try of the one before. A hook that several templates share
// waits until each of them is in place or has failed, so that the application
// never starts on half of its files.
func (a *Agent) notify() {
	for _, u := range a.plan.units {
		for _, h := range u.hooks {
			key := h.Key()
			if n := a.notifiers[key]; n != nil && n.want && !a.someOnTheirWay(key) {
				n.want, n.notified = false, a.change
				if !slices.Contains(a.toTell, key) {
					a.toTell = append(a.toTell, key)
				}
			}
		}
	}
	a.tellNext()
}

// tellNext starts the next hook, unless one is at its first try.
func (a *Agent) tellNext() {
	for a.telling == "" && len(a.toTell) > 0 {
		key := a.toTell[0]
		a.toTell = a.toTell[1:]
		if n := a.notifiers[key]; n != nil {
			a.telling = key
			n.Notify(n.notified)
		}
	}
}

func (a *Agent) someOnTheirWay(key string) bool {
	for _, u := range a.plan.units {
		if u.done || u.err != nil {
			continue
		}
		for _, h := range u.hooks {
			if h.Key() == key {
				return true
			}
		}
	}
	return false
}

// sweep removes what a killed process left beside the destinations.
func (a *Agent) sweep() {
	var paths []string
	for _, u := range a.plan.units {
		if u.variable == "" {
			paths = append(paths, u.file.Path)
		}
	}
	for _, s := range a.plan.sinks {
		paths = append(paths, s.Path)
	}
	destination.SweepExcept(a.keptFiles(), paths...)
}

// keptFiles are the files that interrupted rollouts may go back to.
func (a *Agent) keptFiles() (out []string) {
	for _, m := range a.moved {
		if m.unacked != nil {
			out = append(out, m.unacked.Hidden()...)
		}
	}
	return out
}

// slim lets go of the syntax trees of the configuration: they are several times
// its size, and only the text is needed to show a mistake.
func (p *plan) slim() {
	for _, f := range p.cfg.Files {
		f.Body, f.Nav = nil, nil
	}
}

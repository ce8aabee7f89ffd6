package agent

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/destination"
	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/reload"
	"vault-renderer/renderer/internal/rollout"
	"vault-renderer/renderer/internal/vault"
)

// moved is what the loop knows of a managed rollout between its flights.
type moved struct {
	generation uint64 // the last that was acknowledged
	digest     string
	stage      string // of the last flight, as status has it
	since      time.Time
	err        error
	retry      lease.Backoff
	logged     string
	// unacked is what is in place without an ack: a try goes on from there. nil = nothing is.
	unacked *rollout.Journal
}

// flight is one try to move a managed rollout. It flies beside the loop.
type flight struct {
	name   string
	group  []*unit
	rules  []config.Rollout
	leases map[*unit][]string // that its contents use
	side   map[*unit][]string // paths of what its templates write with writeToFile
	values map[*unit]string   // of variables
	placed bool               // it is in place, and was not taken back
	stop   context.CancelCauseFunc
	// generation is what it brings, once it is in place.
	generation reload.Generation
	result     rollout.Result // valid once the flight has landed
	again      bool           // it only tells and asks of what is in place already
}

// inFlight gives the flight that one of the group is in.
func inFlight(group []*unit) *flight {
	for _, u := range group {
		if u.flight != nil {
			return u.flight
		}
	}
	return nil
}

// launch sends a group on its way to the next generation. All of its templates
// are executed on the same secrets; as long as one is not complete, none goes.
func (a *Agent) launch(group []*unit, rules []config.Rollout) {
	for _, u := range group {
		if !u.ready && u.err == nil && !u.missing {
			a.execute(u)
		}
		if !u.ready {
			return
		}
	}
	outs, err := outputs(group)
	if err != nil {
		a.failAll(group, err, time.Time{})
		return
	}
	f := &flight{name: nameOf(rules), group: group, rules: rules, leases: map[*unit][]string{}, side: map[*unit][]string{}, values: map[*unit]string{}}
	m := a.movedOf(f.name)
	a.change++
	at := a.attempt(group, rules)
	at.Outputs = outs
	at.Generation.N, at.Generation.Rollout = a.change, f.name
	at.Dead = a.noWayBack(group)
	at.Record = a.recorder(f)
	at.Acked = m.generation
	if j := m.unacked; j != nil && j.Generation.Digest == rollout.Digest(outs) && stands(outs) {
		at.Resume, f.again = j, true
	} else {
		at.Over = j
	}
	for _, u := range group {
		f.leases[u], f.side[u], f.values[u] = u.leases, pathsOf(u.writes), string(u.content)
		u.ready, u.content, u.writes, u.flight = false, nil, nil, f
	}
	m.stage, m.since = "checking", time.Now()
	ctx, cancel := context.WithCancelCause(a.ctx)
	f.stop = cancel
	a.flights = append(a.flights, f)
	a.spawn(ctx, func(ctx context.Context) error {
		f.result = at.Run(ctx)
		return a.do(a.ctx, func() { a.onLanded(f) })
	})
}

// stands says whether the files are those that would be written.
func stands(outs []rollout.Output) bool {
	return !slices.ContainsFunc(outs, func(o rollout.Output) bool {
		digest, err := destination.Digest(o.File.Path)
		return err != nil || digest != destination.DigestOf(o.Content)
	})
}

// outputs are the files of a group, each template's own and those of writeToFile.
func outputs(group []*unit) (outs []rollout.Output, err error) {
	for _, u := range group {
		if u.variable != "" {
			continue
		}
		outs = append(outs, rollout.Output{File: u.file, Content: u.content})
		more, err := sideFiles(u)
		if err != nil {
			return nil, err
		}
		outs = append(outs, more...)
	}
	return outs, nil
}

// recorder has the loop write down how far a flight is.
func (a *Agent) recorder(f *flight) func(rollout.Journal) error {
	return func(j rollout.Journal) (failed error) {
		err := a.do(a.ctx, func() { failed = a.record(f, j) })
		return errors.Join(err, failed)
	}
}

// record notes a stage. Its error says that a restart would not know of it.
func (a *Agent) record(f *flight, j rollout.Journal) error {
	m := a.movedOf(f.name)
	m.since, m.unacked = time.Now(), nil
	f.generation = j.Generation
	if j.Open() {
		m.unacked = &j
	}
	switch j.Stage {
	case rollout.Placing:
		m.stage = "placed"
	case rollout.Placed:
		m.stage = "waiting for ack"
		a.brought(f)
		a.logRendered(f, j)
	case rollout.GoingBack:
		m.stage = "refused"
	}
	a.unsaved = true
	a.save()
	if a.saveErr != "" {
		return errors.New(a.saveErr)
	}
	return nil
}

// noWayBack says, when it is asked, whether the credentials of the generation
// before have ended: then going back would break the application for certain.
func (a *Agent) noWayBack(group []*unit) func() bool {
	var olds []*lent
	unknown := false
	for _, u := range group {
		for _, id := range u.acked {
			if l := a.ledger.lent[id]; l != nil && l.session != nil {
				olds = append(olds, l)
			} else {
				unknown = true // it has ended, and is out of the book
			}
		}
		unknown = unknown || !u.done && len(u.acked) == 0 && len(u.leases) > 0
	}
	sessions := make([]*vault.Session, len(olds))
	for i, l := range olds {
		sessions[i] = l.session
	}
	return func() bool {
		if unknown {
			return true
		}
		for i, l := range olds {
			if l.dead() || gone(sessions[i], l.id) {
				return true
			}
		}
		return false
	}
}

// gone asks Vault whether a lease has ended. No answer is no evidence.
func gone(s *vault.Session, id string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	_, err := s.LookupLease(ctx, lease.Lease{ID: id})
	c := vault.ClassOf(err)
	return err != nil && (c == vault.LeaseGone || c == vault.InvalidToken)
}

func (a *Agent) movedOf(name string) *moved {
	m := a.moved[name]
	if m == nil {
		m = &moved{stage: "none", retry: lease.Backoff{Min: firstRefusal, Max: lastRefusal, Rand: a.o.Rand}}
		a.moved[name] = m
	}
	return m
}

// supersede ends a flight that has become pointless: newer contents are there,
// and those that it brings have ended.
func (a *Agent) supersede(f *flight) {
	for _, ids := range f.leases {
		for _, id := range ids {
			if l := a.ledger.lent[id]; l == nil || l.dead() {
				f.stop(rollout.ErrSuperseded)
				return
			}
		}
	}
}

// groundAll ends all flights, so that another plan can be put in force.
func (a *Agent) groundAll() {
	for _, f := range a.flights {
		f.stop(rollout.ErrSuperseded)
	}
}

// onLanded takes over what came of a flight.
func (a *Agent) onLanded(f *flight) {
	f.stop(context.Canceled)
	a.flights = slices.DeleteFunc(a.flights, func(o *flight) bool { return o == f })
	m := a.movedOf(f.name)
	m.since = time.Now()
	for _, u := range f.group {
		u.flight = nil
	}
	m.unacked = nil
	if j := f.result.Journal; j.Open() {
		m.unacked = &j
	}
	a.judge(f, m)
	for _, u := range f.group {
		if u.ready || f.result.Outcome == rollout.Stopped {
			a.touch(u)
		}
	}
	a.ledger.dirty, a.unsaved = true, true
	if len(a.flights) == 0 && a.waiting != nil {
		p := a.waiting
		a.waiting = nil
		a.apply(p)
	}
}

func (a *Agent) judge(f *flight, m *moved) {
	res := f.result
	switch res.Outcome {
	case rollout.Acked, rollout.Unchanged:
		a.acked(f, m)
	case rollout.Kept:
		a.kept(f, m)
	case rollout.Refused, rollout.CheckFailed, rollout.NotPlaced:
		a.refused(f, m)
	case rollout.Stopped:
		m.stage = "none"
	}
}

// acked notes that the application uses the new generation.
func (a *Agent) acked(f *flight, m *moved) {
	m.stage, m.err, m.logged = "acked", nil, ""
	m.retry.Reset()
	if f.result.Outcome == rollout.Acked {
		m.generation, m.digest = f.generation.N, f.generation.Digest
		a.o.Metrics.RolloutAcked()
		a.log("rollout").Info("the application uses the new generation", "rollout", f.name, "generation", m.generation)
	}
	a.inPlace(f)
	for _, u := range f.group {
		a.acknowledge(u, a.termsOf(f.rules))
	}
}

// inPlace notes that the files of a flight are those that it brought.
func (a *Agent) inPlace(f *flight) {
	if a.inspectAt.IsZero() {
		a.inspectAt = time.Now().Add(a.plan.cfg.TemplateConfig.StaticSecretRenderInterval)
	}
	a.brought(f)
	for _, u := range f.group {
		u.done, u.told = true, true
		if u.variable == "" {
			u.stamp = destination.Stat(u.file.Path)
		}
		u.heal()
	}
}

// brought notes what a flight has put in place.
func (a *Agent) brought(f *flight) {
	g := f.generation
	for _, u := range f.group {
		u.placed, u.side = f.leases[u], f.side[u]
		if u.variable != "" && !f.placed {
			u.before, u.value = u.value, f.values[u]
		}
		if g.N != 0 {
			u.generation = g.N
		}
		for _, x := range g.Files {
			if x.Path == u.file.Path {
				u.digest = x.Digest
			}
		}
	}
	f.placed = true
}

// logRendered says once what a flight has put in place.
func (a *Agent) logRendered(f *flight, j rollout.Journal) {
	if f.again {
		return
	}
	for _, x := range j.Files {
		if x.Changed {
			a.o.Metrics.TemplateRendered()
			a.log("template.server").Info("rendered", "destination", x.Path, "rollout", f.name, "generation", j.Generation.N)
		}
	}
}

// kept notes that a generation was not acknowledged, but that there is nothing
// to go back to: it stays, and the application is told and asked again.
func (a *Agent) kept(f *flight, m *moved) {
	a.inPlace(f)
	a.unwell(f, m, "kept", "the application has not confirmed the new generation; it stays, because the credentials before it have ended or there were none")
}

// refused notes that the files are those of the generation before.
func (a *Agent) refused(f *flight, m *moved) {
	for _, u := range f.group {
		u.placed, u.generation = u.acked, m.generation
		if u.variable != "" {
			if f.placed {
				u.value = u.before
			}
			continue
		}
		if digest, err := destination.Digest(u.file.Path); err == nil {
			u.digest = digest
		}
		if u.done {
			u.stamp = destination.Stat(u.file.Path)
		}
	}
	what := "the application has not confirmed the new generation; the files of the one before are back"
	if f.result.Outcome != rollout.Refused {
		what = "the new generation was not put in place; the one before stays"
	}
	a.unwell(f, m, "refused", what)
}

// unwell says once what is wrong, and has it tried again.
func (a *Agent) unwell(f *flight, m *moved, stage, what string) {
	a.o.Metrics.RolloutRefused()
	m.stage, m.err = stage, f.result.Err
	if m.err == nil {
		m.err = errors.New("no ack")
	}
	next := time.Now().Add(m.retry.Next())
	a.failAll(f.group, m.err, next)
	said := stage
	if f.result.Outcome == rollout.CheckFailed || f.result.Outcome == rollout.NotPlaced {
		said += withoutNumbers(m.err.Error())
	}
	if said != m.logged {
		m.logged = said
		args := []any{"rollout", f.name, "error", m.err, "next_try_in", time.Until(next).Round(time.Second)}
		var ce *reload.CheckError
		if errors.As(m.err, &ce) && ce.Output != "" {
			args = append(args, "output", ce.Output)
		}
		a.log("rollout").Error(what, args...)
	}
}

// withoutNumbers makes the texts of one failure alike for all generations.
func withoutNumbers(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, text)
}

// failAll has all of a group tried again at one time; zero = each by its own pauses.
func (a *Agent) failAll(group []*unit, err error, next time.Time) {
	for _, u := range group {
		u.fail(err)
		u.logged = err.Error()
		if !next.IsZero() {
			u.retryAt = next
		}
		a.retryAt = sooner(a.retryAt, u.retryAt)
	}
}

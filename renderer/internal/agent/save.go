package agent

import (
	"encoding/json"

	"vault-renderer/renderer/internal/state"
	"vault-renderer/renderer/internal/vault"
)

// save writes the state file when something in it has changed.
func (a *Agent) save() {
	if a.store == nil || !a.unsaved {
		return
	}
	a.unsaved = false
	err := a.store.Save(a.snapshot())
	switch {
	case err != nil && a.saveErr == "":
		a.log("state").Error("the state could not be saved; a restart now would log in and read everything anew", "error", err)
		a.saveErr = err.Error()
	case err == nil && a.saveErr != "":
		a.log("state").Info("the state is saved again")
		a.saveErr = ""
	}
}

// snapshot is what a restart needs.
func (a *Agent) snapshot() state.State {
	st := state.State{Generation: a.change, Token: a.frozenToken(), Memory: map[string]state.Hidden{}}
	for n, r := range a.ledger.retired {
		st.Retired = append(st.Retired, state.Token{
			ID: n, Value: state.Hide(r.session.Token().Reveal()), Life: state.LifeOf(r.life), Full: r.full, Last: r.last, Ours: r.ours,
		})
	}
	current := map[string]bool{}
	add := func(r vault.Request, v value) {
		if v.secret != nil && worthKeeping(r, v.secret) {
			st.Secrets = append(st.Secrets, freeze(r, v))
			current[v.secret.Lease.ID] = true
		}
	}
	for r, e := range a.entries {
		add(r, e.value)
	}
	for r, v := range a.resumable {
		add(r, v)
	}
	for _, l := range a.ledger.lent {
		if !current[l.id] {
			st.Superseded = append(st.Superseded, frozenLease(l))
		}
	}
	for _, i := range a.asked {
		st.InFlight = append(st.InFlight, i)
	}
	a.snapshotFiles(&st)
	for path, stamp := range a.sinkStamps() {
		raw, _ := json.Marshal(stamp)
		st.Sinks = append(st.Sinks, state.Sink{Path: path, Stamp: raw})
	}
	for name, b := range a.memory {
		st.Memory[name] = state.Hide(string(b))
	}
	return st
}

func (a *Agent) frozenToken() *state.Token {
	h := a.holding
	if h.session == nil {
		return nil
	}
	return &state.Token{
		ID: h.session.N, Value: state.Hide(h.session.Token().Reveal()), Accessor: h.accessor,
		Life: state.LifeOf(h.life), Full: h.full, Last: h.last, Ours: a.ours(),
	}
}

func frozenLease(l *lent) state.Lease {
	out := state.Lease{Life: state.LifeOf(l.lease), TokenID: l.token, After: l.after, Why: l.request.String()}
	if l.own {
		out.Own = state.Hide(l.session.Token().Reveal())
	}
	return out
}

// snapshotFiles notes what is in place, and the changes that are under way.
func (a *Agent) snapshotFiles(st *state.State) {
	for _, u := range a.plan.units {
		if !u.done && len(u.placed)+len(u.acked) == 0 {
			continue
		}
		st.Files = append(st.Files, state.File{
			Destination: u.key(), Template: u.identity(), Digest: u.digest, Generation: u.generation, Told: u.told,
			Acked: !u.unacked(), Leases: hide(u.placed), AckedLeases: hide(u.acked), Side: u.side,
		})
	}
	for name, m := range a.moved {
		r := state.Rollout{Name: name, Acked: m.generation}
		if m.unacked != nil {
			r.Journal, _ = json.Marshal(m.unacked) // paths and digests only
		}
		st.Rollouts = append(st.Rollouts, r)
	}
}

func hide(ids []string) (out []state.Hidden) {
	for _, id := range ids {
		out = append(out, state.Hide(id))
	}
	return out
}

package agent

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"vault-renderer/renderer/internal/auth/sink"
	"vault-renderer/renderer/internal/destination"
	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/rollout"
	"vault-renderer/renderer/internal/state"
	"vault-renderer/renderer/internal/vault"
	"vault-renderer/renderer/internal/watch"
)

// openState takes the state file and goes on from what it holds.
func (a *Agent) openState() error {
	path := a.plan.cfg.StateFile
	if path == "" || a.dry {
		return nil
	}
	store, st, err := state.Open(state.Options{Path: path, Binding: a.binding(), Log: a.log("state")})
	if err != nil {
		return err
	}
	a.store = store
	if st == nil {
		return nil
	}
	a.resume(st)
	return nil
}

// binding names what a state belongs to: a server and a way to log in. Leases
// of another server, or of another role, are nobody's to go on with here.
func (a *Agent) binding() string {
	cfg := a.plan.cfg
	m := methodOf(cfg)
	m.Range = hcl.Range{}
	m.MinBackoff, m.MaxBackoff, m.ExitOnErr = 0, 0, false
	raw, err := json.Marshal([]any{a.plan.client.Address(), cfg.Vault.Namespace, m})
	if err != nil {
		raw = []byte(cfg.Vault.Address) // no value of a configuration fails to marshal
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// resume puts what an earlier run left in place of a login and of reading
// everything anew. All of it is looked up before it is trusted for long.
func (a *Agent) resume(st *state.State) {
	a.change = st.Generation
	client := a.plan.client
	sessions := map[uint64]*vault.Session{}
	highest := uint64(0)
	for _, t := range st.Retired {
		s := client.With(vault.NewToken(t.Value.Reveal()), t.ID)
		sessions[t.ID], highest = s, max(highest, t.ID)
		a.keepToken(&retired{session: s, life: t.Life.Lease(), full: t.Full, last: t.Last, ours: t.Ours})
	}
	if t := st.Token; t != nil && a.ours() {
		sessions[t.ID] = client.With(vault.NewToken(t.Value.Reveal()), t.ID)
		a.resumeToken(t, sessions[t.ID], max(highest, t.ID))
	} else {
		a.session.Store(highest)
	}
	for name, h := range st.Memory {
		a.memory[name] = []byte(h.Reveal())
	}
	for _, s := range st.Sinks {
		var stamp sink.Stamp
		if json.Unmarshal(s.Stamp, &stamp) == nil {
			a.resumedSinks[s.Path] = stamp
		}
	}
	a.resumeSecrets(st, sessions)
	a.resumeLedger(st, sessions)
	a.resumeFiles(st)
	a.resumeRollouts(st)
	a.o.Log.Info("going on from the state of an earlier run", "state_file", a.plan.cfg.StateFile, "secrets", len(a.resumable), "files", len(st.Files))
}

// resumeToken has the first session be that of the token, with its number. Any
// further one has a higher number than all before. The token is held from now
// on, not only when a keeper has it: the state may be saved before.
func (a *Agent) resumeToken(t *state.Token, s *vault.Session, highest uint64) {
	a.holding = holding{session: s, accessor: t.Accessor, life: t.Life.Lease(), full: t.Full, last: t.Last, since: time.Now()}
	a.resumed = &resumedToken{
		auth: &vault.Auth{ClientToken: vault.NewToken(t.Value.Reveal()), Accessor: t.Accessor, TTL: t.Life.Lease()},
		full: t.Full, last: t.Last, number: t.ID,
	}
	a.session.Store(highest)
}

// resumedToken is the token of an earlier run, until a keeper has it.
type resumedToken struct {
	auth   *vault.Auth
	full   time.Duration
	last   bool
	number uint64
}

// resumeSecrets keeps the values ready for the templates that ask for them.
func (a *Agent) resumeSecrets(st *state.State, sessions map[uint64]*vault.Session) {
	for _, s := range st.Secrets {
		r := vault.Request{Method: s.Method, Path: s.Path, Params: s.Params.Reveal()}
		secret, err := thaw(s)
		if err != nil {
			continue // it is read anew
		}
		v := value{secret: secret, full: s.Full, last: s.Last, session: sessions[s.TokenID], own: s.Own.Reveal() != ""}
		if v.own {
			v.session = a.plan.client.With(vault.NewToken(s.Own.Reveal()), s.TokenID)
		}
		a.enter(watch.Update{Request: r, Lease: secret.Lease, Full: v.full, Last: v.last, Session: v.session, Own: v.own})
		if a.resumed != nil && s.TokenID == a.resumed.number {
			a.resumable[r] = v // else it is made anew with the next token; what is in place stays booked
		}
	}
}

// resumeLedger books what was to be revoked, and what a crash left unanswered.
func (a *Agent) resumeLedger(st *state.State, sessions map[uint64]*vault.Session) {
	now := time.Now()
	for _, s := range st.Superseded {
		l := &lent{id: s.Life.ID.Reveal(), session: sessions[s.TokenID], token: s.TokenID, own: s.Own.Reveal() != "", freed: now, after: s.After}
		if l.own {
			l.session = a.plan.client.With(vault.NewToken(s.Own.Reveal()), s.TokenID)
		}
		l.set(s.Life.Lease(), s.Life.TTL, true)
		a.ledger.lent[l.id] = l
		if l.own && !l.after.IsZero() && !l.after.After(now) && !l.dead() {
			a.owe(l)
		}
	}
	for _, f := range st.InFlight {
		l := &lent{
			id: a.unanswered(), own: true, freed: now, after: now,
			request: vault.Request{Method: f.Method, Path: f.Path, Params: f.Params.Reveal()},
			session: a.plan.client.With(vault.NewToken(f.Own.Reveal()), 0),
		}
		l.set(lease.Lease{ID: l.id, TTL: 24 * time.Hour, IssuedAt: f.At}, 0, true)
		a.ledger.lent[l.id] = l
		a.owe(l)
	}
	a.ledger.dirty = true
}

// resumeFiles takes the files that are as they were left for done.
func (a *Agent) resumeFiles(st *state.State) {
	for _, f := range st.Files {
		i := slices.IndexFunc(a.plan.units, func(u *unit) bool { return u.key() == f.Destination })
		if i < 0 {
			continue
		}
		u := a.plan.units[i]
		u.placed, u.acked, u.told, u.side = reveal(f.Leases), reveal(f.AckedLeases), f.Told, f.Side
		if u.variable != "" {
			a.resumeVariable(u)
			continue
		}
		digest, err := destination.Digest(u.file.Path)
		u.done = err == nil && digest == f.Digest && f.Template == u.identity()
		if u.done {
			u.generation = f.Generation
			u.stamp = destination.Stat(u.file.Path)
			a.inspectAt = time.Now().Add(a.plan.cfg.TemplateConfig.StaticSecretRenderInterval)
		}
	}
}

// resumeVariable lets go of what a child had before the newest: it ended with
// the run.
func (a *Agent) resumeVariable(u *unit) {
	for _, id := range u.acked {
		if l := a.ledger.lent[id]; l != nil && l.after.IsZero() {
			l.freed = time.Time{} // it is, on its terms, when the ledger is settled
		}
	}
	a.acknowledge(u, a.termsOf(a.rulesOf([]*unit{u})))
}

func reveal(ids []state.Hidden) (out []string) {
	for _, id := range ids {
		out = append(out, id.Reveal())
	}
	return out
}

// resumeRollouts finishes or undoes what a crash interrupted, and notes which
// rollouts still wait for their application.
func (a *Agent) resumeRollouts(st *state.State) {
	for _, r := range st.Rollouts {
		m := a.movedOf(r.Name)
		m.generation = r.Acked
		if len(r.Journal) == 0 {
			continue
		}
		var j rollout.Journal
		if err := json.Unmarshal(r.Journal, &j); err != nil {
			continue
		}
		j, err := rollout.Repair(j)
		if err != nil {
			a.log("rollout").Error("an interrupted change of files could not be repaired; the files are written anew", "rollout", r.Name, "error", err)
		}
		if j.Open() {
			m.unacked = &j
		}
		a.log("rollout").Warn("an interrupted change of files was found", "rollout", r.Name, "generation", j.Generation.N, "now", string(j.Stage))
	}
}

// forget lets go of the values of an earlier run that no template asks for.
func (a *Agent) forget() {
	if len(a.resumable) == 0 {
		return
	}
	for _, u := range a.plan.units {
		if u.dirty || u.missing || u.runs == 0 {
			return
		}
	}
	clear(a.resumable)
	a.ledger.dirty = true
}

// freeze and thaw change a secret into what the state file holds, and back.
func freeze(r vault.Request, v value) state.Secret {
	s := v.secret
	out := state.Secret{
		Method: r.Method, Path: r.Path, Params: state.Hide(r.Params), RequestID: s.RequestID, Keys: s.Keys, Warnings: s.Warnings,
		Life: state.LifeOf(s.Lease), Full: v.full, Last: v.last,
	}
	if d := s.Data.Unwrap(); d != nil {
		raw, _ := json.Marshal(d) // it came out of JSON
		out.Data = state.Hide(string(raw))
	}
	if x := s.Auth; x != nil {
		raw, _ := json.Marshal(frozenAuth{x.ClientToken.Reveal(), x.Accessor, x.Policies, x.Metadata, x.TTL})
		out.Auth = state.Hide(string(raw))
	}
	if w := s.WrapInfo; w != nil {
		raw, _ := json.Marshal(frozenWrap{w.Token.Reveal(), w.Accessor, w.TTL, w.CreationTime, w.CreationPath, w.WrappedAccessor})
		out.WrapInfo = state.Hide(string(raw))
	}
	if v.session != nil {
		out.TokenID = v.session.N
		if v.own {
			out.Own = state.Hide(v.session.Token().Reveal())
		}
	}
	return out
}

func thaw(s state.Secret) (*vault.Secret, error) {
	out := &vault.Secret{RequestID: s.RequestID, Keys: s.Keys, Warnings: s.Warnings, Lease: s.Life.Lease()}
	if raw := s.Data.Reveal(); raw != "" {
		var m map[string]any
		d := json.NewDecoder(bytes.NewReader([]byte(raw)))
		d.UseNumber()
		if err := d.Decode(&m); err != nil {
			return nil, err
		}
		out.Data = vault.NewData(m)
	}
	if raw := s.Auth.Reveal(); raw != "" {
		var x frozenAuth
		if err := json.Unmarshal([]byte(raw), &x); err != nil {
			return nil, err
		}
		out.Auth = &vault.Auth{ClientToken: vault.NewToken(x.Token), Accessor: x.Accessor, Policies: x.Policies, Metadata: x.Metadata, TTL: x.TTL}
	}
	if raw := s.WrapInfo.Reveal(); raw != "" {
		var w frozenWrap
		if err := json.Unmarshal([]byte(raw), &w); err != nil {
			return nil, err
		}
		out.WrapInfo = &vault.WrapInfo{
			Token: vault.NewToken(w.Token), Accessor: w.Accessor, TTL: w.TTL,
			CreationTime: w.CreationTime, CreationPath: w.CreationPath, WrappedAccessor: w.WrappedAccessor,
		}
	}
	return out, nil
}

type frozenAuth struct {
	Token, Accessor string
	Policies        []string
	Metadata        map[string]string
	TTL             lease.Lease
}

type frozenWrap struct {
	Token, Accessor                             string
	TTL                                         int
	CreationTime, CreationPath, WrappedAccessor string
}

// worthKeeping says whether a value is to outlive the program: what has a
// lease, or what asking again would make anew. The rest is simply read again.
func worthKeeping(r vault.Request, s *vault.Secret) bool {
	return s.Lease.Leased() || s.Auth != nil || s.WrapInfo != nil || r.Method == vault.MethodWrite
}

// identity names a template with the settings that its output depends on.
func (u *unit) identity() string {
	c := u.cfg
	raw, _ := json.Marshal([]any{u.text, c.LeftDelimiter, c.RightDelimiter, c.ErrorOnMissingKey, c.Perms, c.User, c.Group, c.SandboxPath, c.FunctionDenylist})
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

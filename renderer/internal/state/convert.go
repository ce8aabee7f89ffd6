package state

import "time"

func toWire(st State, binding string) wireState {
	w := wireState{
		Binding: binding, Generation: st.Generation,
		Retired:    each(st.Retired, tokenToWire),
		Secrets:    each(st.Secrets, secretToWire),
		Superseded: each(st.Superseded, leaseToWire),
		InFlight:   each(st.InFlight, inFlightToWire),
		Files:      each(st.Files, fileToWire),
		Rollouts:   each(st.Rollouts, rolloutToWire),
		Sinks:      st.Sinks,
	}
	if st.Token != nil {
		t := tokenToWire(*st.Token)
		w.Token = &t
	}
	if len(st.Memory) > 0 {
		w.Memory = make(map[string]string, len(st.Memory))
	}
	for k, v := range st.Memory {
		w.Memory[k] = hidden(v)
	}
	return w
}

func each[A, B any](in []A, f func(A) B) []B {
	if len(in) == 0 {
		return nil
	}
	out := make([]B, len(in))
	for i, v := range in {
		out[i] = f(v)
	}
	return out
}

func hidden(h Hidden) string { return pack(h.Reveal()) }

func wall(t time.Time) time.Time { return t.Round(0).UTC() }

func lifeToWire(l Life) wireLife {
	return wireLife{ID: hidden(l.ID), TTL: l.TTL, Renewable: l.Renewable, IssuedAt: wall(l.IssuedAt)}
}

func tokenToWire(t Token) wireToken {
	return wireToken{
		ID: t.ID, Value: hidden(t.Value), Accessor: t.Accessor, Life: lifeToWire(t.Life),
		Full: t.Full, Last: t.Last, Ours: t.Ours,
	}
}

func secretToWire(s Secret) wireSecret {
	return wireSecret{
		Method: s.Method, Path: pack(s.Path), Params: hidden(s.Params), RequestID: s.RequestID,
		Data: hidden(s.Data), Auth: hidden(s.Auth), WrapInfo: hidden(s.WrapInfo),
		Keys: s.Keys, Warnings: s.Warnings, Life: lifeToWire(s.Life), Full: s.Full, Last: s.Last,
		TokenID: s.TokenID, Own: hidden(s.Own),
	}
}

func leaseToWire(l Lease) wireLease {
	return wireLease{Life: lifeToWire(l.Life), TokenID: l.TokenID, Own: hidden(l.Own), After: wall(l.After), Why: l.Why}
}

func inFlightToWire(f InFlight) wireInFlight {
	return wireInFlight{Method: f.Method, Path: pack(f.Path), Params: hidden(f.Params), Own: hidden(f.Own), At: wall(f.At)}
}

func fileToWire(f File) wireFile {
	return wireFile{
		Destination: pack(f.Destination), Template: f.Template, Digest: f.Digest, Generation: f.Generation,
		Told: f.Told, Acked: f.Acked, Leases: each(f.Leases, hidden), AckedLeases: each(f.AckedLeases, hidden), Side: each(f.Side, pack),
	}
}

func rolloutToWire(r Rollout) Rollout {
	r.RefusedAt = wall(r.RefusedAt)
	return r
}

// unpacker remembers that a text could not be unpacked.
type unpacker struct{ err error }

func fromWire(w wireState) (*State, error) {
	u := &unpacker{}
	st := &State{
		Generation: w.Generation,
		Retired:    each(w.Retired, u.token),
		Secrets:    each(w.Secrets, u.secret),
		Superseded: each(w.Superseded, u.lease),
		InFlight:   each(w.InFlight, u.inFlight),
		Files:      each(w.Files, u.file),
		Rollouts:   w.Rollouts,
		Sinks:      w.Sinks,
	}
	if w.Token != nil {
		t := u.token(*w.Token)
		st.Token = &t
	}
	if len(w.Memory) > 0 {
		st.Memory = make(map[string]Hidden, len(w.Memory))
	}
	for k, v := range w.Memory {
		st.Memory[k] = u.hidden(v)
	}
	if u.err != nil {
		return nil, damaged("it holds bytes that are not written as they should be")
	}
	return st, nil
}

func (u *unpacker) text(s string) string {
	out, err := unpack(s)
	if err != nil {
		u.err = err
	}
	return out
}

func (u *unpacker) hidden(s string) Hidden { return Hide(u.text(s)) }

func (u *unpacker) life(l wireLife) Life {
	return Life{ID: u.hidden(l.ID), TTL: l.TTL, Renewable: l.Renewable, IssuedAt: l.IssuedAt}
}

func (u *unpacker) token(t wireToken) Token {
	return Token{
		ID: t.ID, Value: u.hidden(t.Value), Accessor: t.Accessor, Life: u.life(t.Life),
		Full: t.Full, Last: t.Last, Ours: t.Ours,
	}
}

func (u *unpacker) secret(s wireSecret) Secret {
	return Secret{
		Method: s.Method, Path: u.text(s.Path), Params: u.hidden(s.Params), RequestID: s.RequestID,
		Data: u.hidden(s.Data), Auth: u.hidden(s.Auth), WrapInfo: u.hidden(s.WrapInfo),
		Keys: s.Keys, Warnings: s.Warnings, Life: u.life(s.Life), Full: s.Full, Last: s.Last,
		TokenID: s.TokenID, Own: u.hidden(s.Own),
	}
}

func (u *unpacker) lease(l wireLease) Lease {
	return Lease{Life: u.life(l.Life), TokenID: l.TokenID, Own: u.hidden(l.Own), After: l.After, Why: l.Why}
}

func (u *unpacker) inFlight(f wireInFlight) InFlight {
	return InFlight{Method: f.Method, Path: u.text(f.Path), Params: u.hidden(f.Params), Own: u.hidden(f.Own), At: f.At}
}

func (u *unpacker) file(f wireFile) File {
	return File{
		Destination: u.text(f.Destination), Template: f.Template, Digest: f.Digest, Generation: f.Generation,
		Told: f.Told, Acked: f.Acked, Leases: each(f.Leases, u.hidden), AckedLeases: each(f.AckedLeases, u.hidden), Side: each(f.Side, u.text),
	}
}

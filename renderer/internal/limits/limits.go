// Package limits asks Vault what a run would get, and for how long: it reads
// the secrets, renews them and the token for longer than anybody grants, and so
// learns which limit ends each credential: its lease, the lease's maximum, the
// token, or the token's maximum. What it made it ends again.
//
// It does not log in, does not render, and does not check policies.
package limits

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/status"
	"vault-renderer/renderer/internal/vault"
)

// Options say what to ask for.
type Options struct {
	Requests []vault.Request // reads and writes; others are left out
	Policy   lease.Policy    // says how long credentials overlap; without its Rand
	// Borrowed is a token that was there before and stays: it is not prolonged,
	// and each lease is ended by itself. Leases of another token end with it: who
	// made it revokes it.
	Borrowed bool
}

// Report is what was learned.
type Report struct {
	Token   Token    `json:"token"`
	Secrets []Secret `json:"secrets"`
}

// Span is a time that something lives; 0 = it never ends. In JSON it is a
// number of seconds, or null.
type Span time.Duration

// MarshalJSON implements json.Marshaler.
func (s Span) MarshalJSON() ([]byte, error) {
	if s == 0 {
		return []byte("null"), nil
	}
	return json.Marshal(int64(time.Duration(s) / time.Second))
}

// Token is how long the token lives.
type Token struct {
	Type      string       `json:"type"` // service, batch
	TTL       Span         `json:"ttl"`  // as granted
	Max       Span         `json:"max"`  // with all renewals
	Unknown   bool         `json:"max_unknown"`
	Renewable bool         `json:"renewable"`
	Uses      int          `json:"num_uses"` // 0 = no limit
	Limit     status.Limit `json:"limit"`
}

// Secret is how long a secret is good.
type Secret struct {
	Secret    string       `json:"secret"`
	Lease     string       `json:"lease,omitempty"` // its id without the last part; "" = no lease
	TTL       Span         `json:"ttl"`             // as granted
	Max       Span         `json:"max"`             // with all renewals
	Renewable bool         `json:"renewable"`
	Limit     status.Limit `json:"limit"`
	Lives     Span         `json:"lives"`   // until the limit, with every renewal that Vault allows
	Overlap   Span         `json:"overlap"` // how long it stays good beside its successor
	Error     string       `json:"error,omitempty"`

	err error
}

// Err is why nothing is known of the secret, or only its lease; nil = nothing
// failed.
func (s Secret) Err() error { return s.err }

const (
	// huge is more than any maximum: Vault grants what it may.
	huge = 10 * 365 * 24 * time.Hour
	// one request is waited for this long even if the caller is told to stop:
	// what it makes must be known to be ended.
	patience = 10 * time.Second
	// ending is how long it may take to end all leases.
	ending = 10 * time.Second
)

// Measure asks. It returns early when ctx ends, with that error; left is what
// could not be ended and lives on.
func Measure(ctx context.Context, s *vault.Session, o Options) (r Report, left, err error) {
	m := &measurement{s: s, o: o}
	r.Token, err = m.token(ctx)
	if err != nil {
		return r, nil, err
	}
	for _, q := range o.Requests {
		if q.Method != vault.MethodRead && q.Method != vault.MethodWrite {
			continue
		}
		if err = ctx.Err(); err != nil {
			break
		}
		one := m.secret(ctx, q)
		one.bind(r.Token, o.Policy)
		r.Secrets = append(r.Secrets, one)
	}
	return r, m.end(ctx), err
}

type measurement struct {
	s      *vault.Session
	o      Options
	leases []lease.Lease
}

// patiently runs a request to its end, in a bounded time.
func patiently(ctx context.Context, f func(context.Context)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	f(ctx)
}

// secret fetches one and learns its lease's maximum.
func (m *measurement) secret(ctx context.Context, q vault.Request) (out Secret) {
	out.Secret = q.String()
	var got *vault.Secret
	patiently(ctx, func(ctx context.Context) { got, out.err = m.s.Fetch(ctx, q) })
	if out.err != nil {
		out.Error = out.err.Error()
		return out
	}
	l := got.Lease
	if !l.Leased() {
		return out
	}
	m.leases = append(m.leases, l)
	out.Lease, _ = cutLast(l.ID)
	out.TTL, out.Max, out.Renewable = Span(l.TTL), Span(l.TTL), l.Renewable
	if !l.Renewable {
		return out
	}
	patiently(ctx, func(ctx context.Context) { l, out.err = m.s.RenewLease(ctx, l, huge) })
	if out.err != nil {
		out.Error, out.Renewable = out.err.Error(), false // it lives as if it were not
		return out
	}
	out.Max = max(whole(l.TTL), out.TTL)
	return out
}

// whole is a maximum that was found by asking: Vault takes off what has passed
// since the beginning and what is no whole second, which nobody wants to read.
func whole(d time.Duration) Span {
	const passed = 2 * time.Second
	if up := (d + passed).Truncate(time.Minute); d > 2*time.Minute && up > d {
		return Span(up)
	}
	return Span(d)
}

func cutLast(id string) (path, last string) {
	if i := strings.LastIndexByte(id, '/'); i >= 0 {
		return id[:i], id[i+1:]
	}
	return "", id
}

// bind finds what ends the secret first. Two ends within a tolerance are the
// lease's: both were asked for a moment apart.
func (s *Secret) bind(t Token, p lease.Policy) {
	if s.Lease == "" {
		return
	}
	const tolerance = 2 * time.Second
	s.Limit, s.Lives = status.LimitLease, s.Max
	if s.Renewable {
		s.Limit = status.LimitLeaseMax
	}
	full, renewable := time.Duration(s.TTL), s.Renewable
	if end := t.end(); end > 0 && time.Duration(end) < time.Duration(s.Lives)-tolerance {
		s.Limit, s.Lives = t.Limit, end
		full, renewable = time.Duration(t.TTL), t.Renewable
	}
	s.Overlap = Span(overlap(p, full, renewable))
}

// overlap is what the policy leaves of a last life.
func overlap(p lease.Policy, full time.Duration, renewable bool) time.Duration {
	p.Rand = nil
	l := lease.Lease{TTL: full, Renewable: renewable}
	return l.ExpiresAt().Sub(p.ReplaceAt(l, full))
}

// end ends the leases that would outlive the measurement.
func (m *measurement) end(ctx context.Context) error {
	if !m.o.Borrowed {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ending)
	defer cancel()
	var errs []error
	for _, l := range m.leases {
		err := m.s.RevokeLease(ctx, l.ID)
		if err != nil && l.Renewable {
			// Who may not revoke can let it lapse: the last renewal counts, also one
			// for a second.
			if short, again := m.s.RenewLease(ctx, l, time.Second); again == nil && short.TTL <= time.Minute {
				err = nil
			}
		}
		if err != nil {
			path, _ := cutLast(l.ID)
			errs = append(errs, fmt.Errorf("a lease of %s lives on: %w", path, err))
		}
	}
	return errors.Join(errs...)
}

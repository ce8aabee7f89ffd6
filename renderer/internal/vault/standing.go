package vault

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/hashicorp/vault/api"

	"vault-renderer/renderer/internal/lease"
)

// LookupLease asks how long l lives still, and gives it as Vault sees it now;
// class LeaseGone when it has ended.
func (s *Session) LookupLease(ctx context.Context, l lease.Lease) (lease.Lease, error) {
	asked := time.Now()
	op := "look up the lease " + leasePath(l.ID)
	raw, err := s.c.call(ctx, s.c.api, s.token, "look up", http.MethodPut, "sys/leases/lookup", nil, map[string]any{"lease_id": l.ID})
	if err != nil {
		return l, named(err, op)
	}
	ttl, ok := ttlOf(raw)
	if !ok {
		return l, &Error{Op: op, Class: Transient, Detail: "the answer holds no ttl"}
	}
	if ttl <= 0 {
		return l, &Error{Op: op, Class: LeaseGone}
	}
	renewable, _ := raw.Data["renewable"].(bool)
	return lease.Lease{ID: l.ID, TTL: ttl, Renewable: renewable, IssuedAt: asked}, nil
}

// RevokeLease ends a lease. One that has ended already is no error. Vault has
// dropped what was leased (a database account) when it has answered.
func (s *Session) RevokeLease(ctx context.Context, id string) error {
	body := map[string]any{"lease_id": id, "sync": true}
	_, err := s.c.call(ctx, s.c.api, s.token, "revoke", http.MethodPut, "sys/leases/revoke", nil, body)
	if err == nil || ClassOf(err) == LeaseGone {
		return nil
	}
	return named(err, "revoke the lease "+leasePath(id))
}

// LookupSelf says how Vault sees the session's own token.
func (s *Session) LookupSelf(ctx context.Context) error {
	_, err := s.lookupSelf(ctx)
	return err
}

const lookupSelfPath = "auth/token/lookup-self"

func (s *Session) lookupSelf(ctx context.Context) (*api.Secret, error) {
	return s.c.call(ctx, s.c.authAPI, s.token, "look up the token at", http.MethodGet, lookupSelfPath, nil, nil)
}

// StandingOfSelf gives what is left of the token's life as Vault sees it now. A
// TTL of 0 never ends.
func (s *Session) StandingOfSelf(ctx context.Context) (lease.Lease, error) {
	asked := time.Now()
	raw, err := s.lookupSelf(ctx)
	if err != nil {
		return lease.Lease{}, err
	}
	ttl, ok := ttlOf(raw)
	if !ok {
		return lease.Lease{}, &Error{Op: "look up the token at", Path: lookupSelfPath, Class: Transient, Detail: "the answer holds no ttl"}
	}
	renewable, _ := raw.Data["renewable"].(bool)
	return lease.Lease{TTL: ttl, Renewable: renewable && ttl > 0, IssuedAt: asked}, nil
}

func ttlOf(raw *api.Secret) (time.Duration, bool) {
	if raw == nil {
		return 0, false
	}
	n, ok := raw.Data["ttl"].(json.Number)
	if !ok {
		return 0, false
	}
	v, err := n.Int64()
	return time.Duration(v) * time.Second, err == nil
}

// Child makes a token below the session's own, which ends with it at the
// latest, and gives a session with it: what is leased with a child can be ended
// by ending the child, also when its lease's id was never learned. It needs
// update on auth/token/create.
func (s *Session) Child(ctx context.Context) (*Session, error) {
	const path = "auth/token/create"
	body := map[string]any{"renewable": true, "display_name": "generation"}
	raw, err := s.c.call(ctx, s.c.authAPI, s.token, "make a token at", http.MethodPut, path, nil, body)
	if err != nil {
		return nil, err
	}
	if raw == nil || raw.Auth == nil || raw.Auth.ClientToken == "" {
		return nil, &Error{Op: "make a token at", Path: path, Class: Invalid, Detail: "the answer holds no token"}
	}
	return &Session{c: s.c, token: NewToken(raw.Auth.ClientToken), N: s.N}, nil
}

// Token is the session's token: for the state file only.
func (s *Session) Token() Token { return s.token }

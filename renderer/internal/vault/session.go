package vault

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"vault-renderer/renderer/internal/lease"
)

// Session is a client with one token. It is immutable and safe for concurrent
// use; a new token is a new Session.
type Session struct {
	c     *Client
	token Token
	// N numbers the sessions of a run: what was leased under another number
	// hangs on another token.
	N uint64
}

// With gives a session that uses token; n numbers it.
func (c *Client) With(token Token, n uint64) *Session {
	return &Session{c: c, token: token, N: n}
}

// Fetch asks for one request. KV paths are rewritten for version 2 mounts, as
// consul-template does. At most Options.MaxConnections fetches run at once;
// waiting for a turn does not count towards the request's time limit.
func (s *Session) Fetch(ctx context.Context, r Request) (*Secret, error) {
	select {
	case s.c.slots <- struct{}{}:
		defer func() { <-s.c.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	// In a goroutine of its own: a request needs a deep stack, which the many
	// goroutines that wait for their next read would keep.
	var out *Secret
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		out, err = s.fetch(ctx, r)
	}()
	<-done
	return out, err
}

func (s *Session) fetch(ctx context.Context, r Request) (*Secret, error) {
	path, params := splitQuery(r)
	if r.Method == MethodPKI {
		return s.ask(ctx, r, path, nil, mount{})
	}
	if r.Method == MethodRead && spelledOut(path) && !s.c.mounts.knows(path) {
		// Such a path reads the same whatever the mount is, but for mounts
		// that are themselves called data: those are looked up when it fails.
		secret, err := s.ask(ctx, r, path, params, mount{})
		if c := ClassOf(err); err == nil || c != NotFound && c != Denied {
			return secret, err
		}
	}
	m, err := s.mount(ctx, path)
	if err != nil {
		return nil, err
	}
	return s.ask(ctx, r, path, params, m)
}

// spelledOut says whether a path names the data of a version 2 mount itself.
func spelledOut(path string) bool {
	_, rest, _ := strings.Cut(path, "/")
	return strings.HasPrefix(rest, "data/")
}

// ask sends the request of r as the mount m wants it.
func (s *Session) ask(ctx context.Context, r Request, path string, params url.Values, m mount) (*Secret, error) {
	asked := time.Now()
	var raw *api.Secret
	var err error
	switch r.Method {
	case MethodList:
		params.Set("list", "true")
		raw, err = s.c.call(ctx, s.c.api, s.token, "list", http.MethodGet, m.listPath(path), params, nil)
		if ClassOf(err) == NotFound && err != nil {
			return &Secret{}, nil // an empty list, as consul-template has it
		}
	case MethodWrite:
		raw, err = s.c.call(ctx, s.c.api, s.token, "write", http.MethodPut, m.dataPath(path), params, m.body(r.Params))
	case MethodPKI:
		body := m.body(r.Params)
		delete(body, DestinationParam)
		raw, err = s.c.call(ctx, s.c.api, s.token, "issue a certificate at", http.MethodPut, path, nil, body)
	default:
		raw, err = s.c.call(ctx, s.c.api, s.token, "read", http.MethodGet, m.dataPath(path), params, nil)
		if err == nil && (raw == nil || (raw.Data == nil && raw.WrapInfo == nil && raw.Auth == nil)) {
			err = &Error{Op: "read", Path: m.dataPath(path), Class: NotFound}
		}
	}
	if err != nil {
		return nil, err
	}
	return secretOf(raw, asked, r.Method), nil
}

// splitQuery takes a path apart as consul-template does: what stands behind ?
// are parameters, %20 is a blank, and #... is dropped. A write keeps its path
// as it is.
func splitQuery(r Request) (string, url.Values) {
	if r.Method == MethodWrite || !strings.ContainsAny(r.Path, "?%#") {
		return r.Path, url.Values{}
	}
	u, err := url.Parse(r.Path)
	if err != nil || u.Host != "" || u.Opaque != "" {
		return r.Path, url.Values{}
	}
	return strings.TrimRight(u.Path, "/"), u.Query()
}

func secretOf(raw *api.Secret, asked time.Time, method string) *Secret {
	if raw == nil {
		return &Secret{} // a write answered with 204
	}
	out := &Secret{
		RequestID: raw.RequestID, Warnings: raw.Warnings, Data: NewData(raw.Data),
		Lease: lease.Lease{ID: raw.LeaseID, TTL: seconds(raw.LeaseDuration), Renewable: raw.Renewable, IssuedAt: asked},
	}
	if raw.Auth != nil {
		out.Auth = authOf(raw.Auth, asked)
	}
	if w := raw.WrapInfo; w != nil {
		out.WrapInfo = wrapInfoOf(w)
	}
	if method == MethodList {
		keys, _ := raw.Data["keys"].([]any)
		for _, k := range keys {
			if s, ok := k.(string); ok {
				out.Keys = append(out.Keys, s)
			}
		}
		slices.Sort(out.Keys)
	}
	return out
}

// RenewLease asks for another life of l, as long as full, and gives what Vault
// granted.
func (s *Session) RenewLease(ctx context.Context, l lease.Lease, full time.Duration) (lease.Lease, error) {
	asked := time.Now()
	body := map[string]any{"lease_id": l.ID, "increment": int(full / time.Second)}
	raw, err := s.c.call(ctx, s.c.api, s.token, "renew", http.MethodPut, "sys/leases/renew", nil, body)
	if err != nil {
		return l, named(err, "renew the lease "+leasePath(l.ID))
	}
	if raw == nil {
		return l, &Error{Op: "renew the lease " + leasePath(l.ID), Class: Transient, Detail: "the answer is empty"}
	}
	return lease.Lease{ID: l.ID, TTL: seconds(raw.LeaseDuration), Renewable: raw.Renewable, IssuedAt: asked}, nil
}

// RenewSelf prolongs the session's own token and gives its life as granted.
func (s *Session) RenewSelf(ctx context.Context) (lease.Lease, error) {
	asked := time.Now()
	raw, err := s.c.call(ctx, s.c.authAPI, s.token, "renew the token at", http.MethodPut, "auth/token/renew-self", nil, map[string]any{})
	if err != nil {
		return lease.Lease{}, err
	}
	if raw == nil || raw.Auth == nil {
		return lease.Lease{}, &Error{Op: "renew the token at", Path: "auth/token/renew-self", Class: Transient, Detail: "the answer holds no token"}
	}
	return lease.Lease{TTL: seconds(raw.Auth.LeaseDuration), Renewable: raw.Auth.Renewable, IssuedAt: asked}, nil
}

// leasePath is a lease's id without its last, unguessable part: enough for
// people, useless for anybody who reads the log.
func leasePath(id string) string {
	if i := strings.LastIndexByte(id, '/'); i >= 0 {
		return id[:i]
	}
	return id
}

func named(err error, op string) error {
	if e, ok := err.(*Error); ok {
		c := *e
		c.Op, c.Path = op, ""
		return &c
	}
	return err
}

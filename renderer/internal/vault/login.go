package vault

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/hashicorp/vault/api"

	"vault-renderer/renderer/internal/lease"
)

// Login logs in at path with body and gives the token that Vault made, or with
// Options.LoginWrapTTL what wraps it.
func (c *Client) Login(ctx context.Context, path string, body map[string]any) (*Auth, error) {
	return c.LoginWith(ctx, path, body, nil)
}

// LoginWith is Login with headers of the method's own, which no other request
// carries.
func (c *Client) LoginWith(ctx context.Context, path string, body map[string]any, header http.Header) (*Auth, error) {
	asked := time.Now()
	s, err := c.exchange(ctx, exchange{
		via: c.authAPI, op: "log in at", method: http.MethodPut, path: path, body: body, header: header, wrapTTL: c.loginWrapTTL,
	})
	if err != nil {
		return nil, err
	}
	switch {
	case s != nil && s.WrapInfo != nil && s.WrapInfo.Token != "":
		return &Auth{Wrapped: wrapInfoOf(s.WrapInfo)}, nil
	case s != nil && s.Auth != nil && c.loginWrapTTL == 0:
		return authOf(s.Auth, asked), nil
	}
	return nil, &Error{Op: "log in at", Path: path, Class: Invalid, Detail: "the answer holds no token"}
}

// LookupToken gives what Vault knows of a token that exists already: a login by
// method token_file. A TTL of 0 never ends.
func (c *Client) LookupToken(ctx context.Context, t Token) (*Auth, error) {
	asked := time.Now()
	const path = "auth/token/lookup-self"
	s, err := c.exchange(ctx, exchange{
		via: c.authAPI, token: t, op: "look up the token at", method: http.MethodGet, path: path, wrapTTL: c.loginWrapTTL,
	})
	switch {
	case err != nil:
		return nil, err
	case s != nil && s.WrapInfo != nil && s.WrapInfo.Token != "":
		return &Auth{Wrapped: wrapInfoOf(s.WrapInfo)}, nil
	case s == nil || s.Data == nil:
		return nil, &Error{Op: "look up the token at", Path: path, Class: Invalid, Detail: "the answer holds no token"}
	}
	a := &Auth{ClientToken: t}
	a.Accessor, _ = s.Data["accessor"].(string)
	a.Policies, _ = s.TokenPolicies()
	ttl, _ := s.TokenTTL()
	renewable, _ := s.TokenIsRenewable()
	a.TTL = lease.Lease{TTL: ttl, Renewable: renewable && ttl > 0, IssuedAt: asked}
	return a, nil
}

// Wrap has Vault keep data under a single-use token for ttl.
func (c *Client) Wrap(ctx context.Context, t Token, data map[string]any, ttl time.Duration) (*WrapInfo, error) {
	const path = "sys/wrapping/wrap"
	s, err := c.exchange(ctx, exchange{
		via: c.authAPI, token: t, op: "wrap at", method: http.MethodPut, path: path, body: data, wrapTTL: ttl,
	})
	if err != nil {
		return nil, err
	}
	if s == nil || s.WrapInfo == nil || s.WrapInfo.Token == "" {
		return nil, &Error{Op: "wrap at", Path: path, Class: Invalid, Detail: "the answer holds no wrapping token"}
	}
	return wrapInfoOf(s.WrapInfo), nil
}

// JSON is the form in which a wrapped token stands in a sink: the keys are
// Vault's. It reveals the wrapping token.
func (w *WrapInfo) JSON() ([]byte, error) {
	return json.Marshal(struct {
		Token           string `json:"token"`
		Accessor        string `json:"accessor"`
		TTL             int    `json:"ttl"`
		CreationTime    string `json:"creation_time"`
		CreationPath    string `json:"creation_path"`
		WrappedAccessor string `json:"wrapped_accessor"`
	}{w.Token.Reveal(), w.Accessor, w.TTL, w.CreationTime, w.CreationPath, w.WrappedAccessor})
}

func wrapInfoOf(w *api.SecretWrapInfo) *WrapInfo {
	return &WrapInfo{
		Token: NewToken(w.Token), Accessor: w.Accessor, TTL: w.TTL, CreationTime: w.CreationTime.Format(time.RFC3339Nano),
		CreationPath: w.CreationPath, WrappedAccessor: w.WrappedAccessor,
	}
}

func authOf(a *api.SecretAuth, asked time.Time) *Auth {
	return &Auth{
		ClientToken: NewToken(a.ClientToken), Accessor: a.Accessor,
		Policies: a.TokenPolicies, Metadata: a.Metadata,
		TTL: lease.Lease{TTL: seconds(a.LeaseDuration), Renewable: a.Renewable, IssuedAt: asked},
	}
}

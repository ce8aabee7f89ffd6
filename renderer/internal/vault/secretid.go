package vault

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/hashicorp/vault/api"
)

// MintSecretID makes a SecretID of an AppRole at path
// ("auth/approle/role/NAME/secret-id"), which lives for ttl (0 = as the role
// says), and has Vault keep it under a single-use token for wrapTTL. It needs
// update on path.
func (s *Session) MintSecretID(ctx context.Context, path string, wrapTTL, ttl time.Duration) (*WrapInfo, error) {
	const op = "mint a SecretID at"
	body := map[string]any{}
	if ttl > 0 {
		body["ttl"] = int((ttl + time.Second - 1) / time.Second)
	}
	raw, err := s.c.exchange(ctx, exchange{
		via: s.c.authAPI, token: s.token, op: op, method: http.MethodPut, path: path, body: body, wrapTTL: wrapTTL,
	})
	if err != nil {
		return nil, err
	}
	if raw == nil || raw.WrapInfo == nil || raw.WrapInfo.Token == "" {
		return nil, &Error{Op: op, Path: path, Class: Invalid, Detail: "the answer holds no wrapping token"}
	}
	return wrapInfoOf(raw.WrapInfo), nil
}

// SecretIDEnd says when a SecretID of the AppRole at path ends, as in
// MintSecretID. The zero time is a SecretID without an end; ok is false for one
// that Vault does not know. It needs update on path/lookup.
func (s *Session) SecretIDEnd(ctx context.Context, path string, secretID Token) (end time.Time, ok bool, err error) {
	body := map[string]any{"secret_id": secretID.Reveal()}
	raw, err := s.c.call(ctx, s.c.authAPI, s.token, "look up the SecretID at", http.MethodPut, path+"/lookup", nil, body)
	if err != nil || raw == nil {
		return time.Time{}, false, err
	}
	end = timeIn(raw, "expiration_time")
	if end.Year() <= 1 {
		end = time.Time{}
	}
	return end, true, nil
}

// Wrapping is what Vault says of a wrapping token.
type Wrapping struct {
	Path    string // where what it wraps was made
	Created time.Time
	TTL     time.Duration // from then on
}

// LookupWrapping gives what Vault says of a wrapping token, without using it up.
func (c *Client) LookupWrapping(ctx context.Context, t Token) (Wrapping, error) {
	raw, err := c.call(ctx, c.authAPI, t, "look up the wrapping token at", http.MethodPut, "sys/wrapping/lookup", nil, map[string]any{})
	if err != nil || raw == nil {
		return Wrapping{}, err
	}
	w := Wrapping{Created: timeIn(raw, "creation_time")}
	w.Path, _ = raw.Data["creation_path"].(string)
	if n, ok := raw.Data["creation_ttl"].(json.Number); ok {
		v, _ := n.Int64()
		w.TTL = time.Duration(v) * time.Second
	}
	return w, nil
}

// timeIn is a moment in an answer's data; zero when there is none.
func timeIn(raw *api.Secret, key string) time.Time {
	text, _ := raw.Data[key].(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

package limits

import (
	"context"
	"encoding/json"
	"time"

	"vault-renderer/renderer/internal/status"
	"vault-renderer/renderer/internal/vault"
)

// token learns how long the session's token lives.
func (m *measurement) token(ctx context.Context) (t Token, err error) {
	var got *vault.Secret
	patiently(ctx, func(ctx context.Context) {
		got, err = m.s.Fetch(ctx, vault.Request{Method: vault.MethodRead, Path: "auth/token/lookup-self"})
	})
	if err != nil {
		return t, err
	}
	d := facts(got.Data.Unwrap())
	t.Type, _ = d["type"].(string)
	t.TTL, t.Uses = Span(d.seconds("ttl")), int(d.number("num_uses"))
	if granted := Span(d.seconds("creation_ttl")); !m.o.Borrowed && t.TTL > 0 && granted > 0 {
		t.TTL = granted // it was made just now
	}
	t.Renewable, _ = d["renewable"].(bool)
	t.Renewable = t.Renewable && t.TTL > 0
	t.Max = t.TTL
	switch explicit := d.seconds("explicit_max_ttl"); {
	case !t.Renewable:
	case explicit > 0:
		t.Max = whole(time.Until(time.Unix(d.number("creation_time"), 0).Add(explicit)))
	case d.seconds("period") > 0:
		t.Max = 0 // renewed for ever
	case m.o.Borrowed:
		t.Unknown = true // only a renewal would tell, and prolong what is not ours
	default:
		t.Max, t.Unknown = m.longest(ctx, t.TTL)
	}
	t.Limit = t.limit()
	return t, nil
}

// longest renews the token for longer than anybody grants.
func (m *measurement) longest(ctx context.Context, ttl Span) (longest Span, unknown bool) {
	body, _ := json.Marshal(map[string]any{"increment": int(huge / time.Second)})
	var got *vault.Secret
	var err error
	patiently(ctx, func(ctx context.Context) {
		got, err = m.s.Fetch(ctx, vault.Request{Method: vault.MethodWrite, Path: "auth/token/renew-self", Params: string(body)})
	})
	if err != nil || got.Auth == nil {
		return ttl, true
	}
	return max(ttl, whole(got.Auth.TTL.TTL)), false
}

func (t Token) limit() status.Limit {
	switch {
	case t.TTL == 0 || t.Renewable && t.Max == 0:
		return status.LimitNone
	case t.Renewable:
		return status.LimitTokenMax
	}
	return status.LimitToken
}

// end is when the token ends, as far as that is known; 0 = it does not.
func (t Token) end() Span {
	if t.Limit == status.LimitNone || t.Unknown {
		return 0
	}
	return t.Max
}

// facts are what Vault says of a token.
type facts map[string]any

func (f facts) number(key string) int64 {
	n, _ := f[key].(json.Number)
	v, _ := n.Int64()
	return v
}

func (f facts) seconds(key string) time.Duration { return time.Duration(f.number(key)) * time.Second }

package watch

import (
	"encoding/json"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// untilNextRead is how long a secret without a lease is good for. The special
// cases are consul-template's, each only when the values have the right type:
// a user's own KV fields of those names are ordinary data.
func untilNextRead(s *vault.Secret, static time.Duration, p lease.Policy) time.Duration {
	d := s.Data.Unwrap()
	if ttl, ok := number(d["ttl"]); ok && d["rotation_period"] != nil {
		if _, isNumber := number(d["rotation_period"]); isNumber {
			return max(time.Duration(ttl)*time.Second, 0) + time.Second
		}
	}
	if exp, ok := number(d["expiration"]); ok && d["certificate"] != nil {
		return fraction(time.Until(time.Unix(exp, 0)), p)
	}
	if ttl, ok := number(d["secret_id_ttl"]); ok && ttl > 0 && d["secret_id"] != nil {
		return fraction(time.Duration(ttl+1)*time.Second, p)
	}
	if s.Auth != nil && s.Auth.TTL.TTL > 0 {
		return fraction(s.Auth.TTL.TTL, p)
	}
	return lease.Interval(static, p.Rand)
}

// number is v as whole seconds, when Vault sent a number.
func number(v any) (int64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	i, err := n.Int64()
	return i, err == nil
}

func fraction(d time.Duration, p lease.Policy) time.Duration {
	now := time.Now()
	return max(p.ReplaceAt(lease.Lease{TTL: d, IssuedAt: now}, d).Sub(now), time.Second)
}

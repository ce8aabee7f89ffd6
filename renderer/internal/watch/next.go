package watch

import (
	"encoding/json"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

const (
	soonest = time.Second
	// maxHurried is how often in a row a secret may ask to be read again at
	// once. A password that is being rotated needs a few; data that only looks
	// as if it were would ask for ever.
	maxHurried = 10
)

// lifeWithoutLease is how long a secret lives that says so without a lease. The
// special cases are consul-template's, each only when the values have the right
// type: a user's own KV fields of those names are ordinary data.
func lifeWithoutLease(s *vault.Secret, issued time.Time) (life time.Duration, known bool) {
	if s.Lease.ID != "" {
		return 0, !s.Lease.Leased() // a lease that was granted no time, since its token ends
	}
	d := s.Data.Unwrap()
	if exp, ok := number(d["expiration"]); ok && text(d["certificate"]) {
		if left := time.Unix(exp, 0).Sub(issued); left > 0 {
			return left, true
		}
	}
	if ttl, ok := seconds(d["secret_id_ttl"]); ok && ttl > 0 && text(d["secret_id"]) {
		return ttl + time.Second, true
	}
	if s.Auth != nil && s.Auth.TTL.TTL > 0 {
		return s.Auth.TTL.TTL, true
	}
	return 0, false
}

// rotates says whether Vault changes a password by itself: every so often, or
// by the calendar, which consul-template does not know of.
func rotates(d map[string]any) bool {
	if _, ok := number(d["rotation_period"]); ok {
		return true
	}
	return text(d["rotation_schedule"]) && text(d["last_vault_rotation"])
}

// number is v as a whole number, when Vault sent a number.
func number(v any) (int64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	i, err := n.Int64()
	return i, err == nil
}

// seconds is v as a duration, when Vault sent a number; never below zero, and
// never beyond what a timer can wait for.
func seconds(v any) (time.Duration, bool) {
	const most = 100 * 365 * 24 * 3600
	n, ok := number(v)
	return time.Duration(min(max(n, 0), most)) * time.Second, ok
}

func text(v any) bool {
	s, ok := v.(string)
	return ok && s != ""
}

// fraction is how much of a life to let pass, a second at least.
func fraction(d time.Duration, p lease.Policy) time.Duration {
	var began time.Time
	return max(p.ReplaceAt(lease.Lease{TTL: d, IssuedAt: began}, d).Sub(began), soonest)
}

// unhurried slows down what asks to be read at once again and again.
func (w *Watcher) unhurried(d time.Duration) time.Duration {
	if d > soonest {
		w.hurried = 0
		return d
	}
	if w.hurried++; w.hurried > maxHurried {
		return maxAway
	}
	return d
}

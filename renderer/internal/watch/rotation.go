package watch

import (
	"log/slog"
	"maps"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// rotation is the plan for a password that Vault changes by itself. The old one
// is dead from that moment on, so the new one is asked for right then, and until
// it is there. What an answer says of the time alone tells nothing: a rotation by
// the calendar can start the next ttl before the password has changed.
type rotation struct {
	on    bool
	at    time.Time // of the next read
	due   time.Time // when Vault should have changed it
	fast  lease.Backoff
	polls int // reads since then
}

const (
	maxPoll  = 15 * time.Second // after 1, 2, 4 and 8
	maxPolls = 40               // about ten minutes
)

// note plans by an answer; same says that it holds the same password as the one
// before.
func (r *rotation) note(s *vault.Secret, same bool, o Options, log *slog.Logger) {
	d := s.Data.Unwrap()
	ttl, ok := seconds(d["ttl"])
	if r.on = ok && rotates(d) && s.Lease.ID == ""; !r.on {
		return
	}
	now := time.Now()
	next := s.Lease.IssuedAt.Add(ttl + time.Second)
	switch {
	case !same:
		r.start(next)
	case now.Before(r.due): // the period may have been made shorter
		r.due = sooner(r.due, next)
	case ttl > 0 && !text(d["last_vault_rotation"]): // the time is all that there is
		r.start(next)
	case ttl > 0 && r.polls >= maxPolls:
		log.Warn("a password that Vault was to change is still the old one; was its period made longer?", "next_change_in", ttl)
		r.start(next)
	default:
		r.polls++
		r.at = now.Add(r.fast.Next())
		return
	}
	// Somebody can have it rotated before its time.
	r.at = sooner(r.due, now.Add(lease.Interval(o.StaticInterval, o.Policy.Rand)))
}

func (r *rotation) start(due time.Time) {
	r.due, r.polls = due, 0
	r.fast = lease.Backoff{Min: time.Second, Max: maxPoll}
}

// sameValue says whether two answers hold the same. How long a password that
// rotates is good still differs in each answer.
func sameValue(a, b vault.Data) bool {
	if !rotates(a.Unwrap()) || !rotates(b.Unwrap()) {
		return a.Equal(b)
	}
	return withoutTTL(a).Equal(withoutTTL(b))
}

func withoutTTL(d vault.Data) vault.Data {
	m := maps.Clone(d.Unwrap())
	delete(m, "ttl")
	return vault.NewData(m)
}

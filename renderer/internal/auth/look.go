package auth

import (
	"context"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// looks says when a token is looked up.
type looks struct {
	every time.Duration // as in Options.Lookup
	rand  func() float64
	at    time.Time // the next one; zero = none
	retry lease.Backoff

	doubt bool // it may be good no more, and nothing has shown yet that it is
	seen  bool // a look-up has succeeded
	blind bool // the policy does not allow look-ups
}

func newLooks(o Options, resumed bool) looks {
	return looks{
		every: o.Lookup, rand: o.Policy.Rand, doubt: resumed,
		retry: lease.Backoff{Min: time.Second, Max: maxAway, Rand: o.Policy.Rand},
	}
}

// The time between two look-ups of a life, when it is not set.
const (
	lookFraction = 10
	minLook      = 10 * time.Second
	maxLook      = 5 * time.Minute
)

// plan sets the next look-up of a token with this life.
func (k *looks) plan(l lease.Lease) {
	d := k.every
	if d == 0 {
		d = maxLook
		if l.TTL > 0 {
			d = min(max(l.TTL/lookFraction, minLook), maxLook)
		}
	}
	switch {
	case k.doubt:
		k.at = time.Now()
	case d < 0 || k.blind:
		k.at = time.Time{}
	default:
		k.at = time.Now().Add(lease.Interval(d, k.rand))
	}
}

// passed notes that Vault knows the token.
func (k *looks) passed(l lease.Lease) {
	k.doubt = false
	k.retry.Reset()
	k.plan(l)
}

// lookAt is when to look next; zero = never.
func (h *holder) lookAt() time.Time {
	if h.never {
		return time.Time{}
	}
	return h.looks.at
}

// look asks Vault whether the token is still good, and how long. A reason says
// that it is not.
func (h *holder) look(ctx context.Context) (reason string) {
	if h.never {
		return ""
	}
	l, err := h.ask(ctx)
	switch c := vault.ClassOf(err); {
	case err == nil:
		h.looks.seen = true
		h.stands(l)
		h.looks.passed(h.l)
	case ctx.Err() != nil: // the next wait says so
	case c == vault.InvalidToken, c == vault.Denied && (h.looks.doubt || h.looks.seen):
		return ReasonRevoked
	case c == vault.Denied:
		h.looks.blind = true
		h.looks.plan(h.l)
		h.o.Log.Warn("the token may not look itself up: a revoked one is noticed only when it is used", "policy", `path "auth/token/lookup-self" { capabilities = ["read"] }`, "error", err)
	default: // soon again: when Vault is back, much may have happened to the token
		h.looks.at = time.Now().Add(max(h.looks.retry.Next(), vault.RetryAfter(err)))
	}
	return ""
}

// ask looks the token up, and does not wait longer for an answer than the
// token's life allows.
func (h *holder) ask(ctx context.Context) (lease.Lease, error) {
	if h.l.TTL > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, lease.Patience(h.l, time.Now()))
		defer cancel()
	}
	return h.s.StandingOfSelf(ctx)
}

// lookSlack is how far a look-up may be off: Vault answers in whole seconds.
const lookSlack = 2 * time.Second

// stands takes over what a look-up showed, when that is another life than the
// known one: somebody else has renewed the token or cut it short, or the clock
// was set.
func (h *holder) stands(l lease.Lease) {
	l.Renewed = h.l.Renewed
	l.Renewable = l.Renewable && h.l.Renewable // a renewal may have been refused
	ends := (l.TTL > 0) == (h.l.TTL > 0) && (l.TTL <= 0 || l.ExpiresAt().Sub(h.l.ExpiresAt()).Abs() <= lookSlack)
	if ends && (l.Renewable == h.l.Renewable || l.TTL <= 0) {
		return
	}
	h.o.Log.Info("the token's life is another than expected", "ttl", l.TTL, "renewable", l.Renewable)
	h.l, h.full = l, max(h.full, l.TTL)
	h.again = time.Time{}
}

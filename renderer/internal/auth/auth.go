// Package auth gets tokens and keeps them alive: a Method logs in once, a
// Keeper calls it with backoff, renews the token, and logs in again early
// enough that the new token is in use while the old one still lives. It does
// not know what the token is used for.
package auth

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// Method logs in. One call is one try: no loop, no sleep.
type Method interface {
	Login(ctx context.Context) (*vault.Auth, error)
}

// Watcher is a Method whose credentials may be replaced while its token lives
// (enable_reauth_on_new_credentials).
type Watcher interface {
	// Watch calls changed whenever the credentials are no longer those of the
	// last login. It is called once, after the first login, and returns when
	// ctx ends. changed does not block.
	Watch(ctx context.Context, changed func())
}

// Event is what a Keeper has to tell.
type Event struct {
	// Session is set when a new token is there. All that was leased under
	// an earlier session ends with that session's token.
	Session *vault.Session
	Token   vault.Token
	// Err is set when a login failed; another one follows after Next.
	Err  error
	Next time.Duration
}

// Options are a Keeper's settings.
type Options struct {
	Client     *vault.Client
	Method     Method
	MinBackoff time.Duration // 1 s when 0
	MaxBackoff time.Duration // 5 min when 0
	ExitOnErr  bool          // the first failed login ends Run
	Policy     lease.Policy
	Log        *slog.Logger
	// Number gives the next session's number.
	Number func() uint64
}

// Keeper keeps a token. Create it with New and give it one Run.
type Keeper struct {
	o     Options
	check chan struct{}
}

// New prepares a Keeper.
func New(o Options) *Keeper {
	if o.MinBackoff == 0 {
		o.MinBackoff = time.Second
	}
	if o.MaxBackoff == 0 {
		o.MaxBackoff = 5 * time.Minute
	}
	return &Keeper{o: o, check: make(chan struct{}, 1)}
}

// Check says that Vault refused the token: the Keeper asks Vault at once, and
// logs in again when it is so. Check does not block.
func (k *Keeper) Check() {
	select {
	case k.check <- struct{}{}:
	default:
	}
}

// ErrLogin wraps the failed login that ended Run because of exit_on_err.
var ErrLogin = errors.New("login failed and exit_on_err is set")

// Run logs in, keeps the token alive, logs in again, until ctx ends. It ends
// earlier only with ErrLogin.
func (k *Keeper) Run(ctx context.Context, out chan<- Event) error {
	var old lease.Lease // of the token that is still in use while the next one is asked for
	for {
		a, err := k.login(ctx, out, old)
		if err != nil {
			return err
		}
		s := k.o.Client.With(a.ClientToken, k.o.Number())
		select {
		case <-k.check: // it was about the token before
		default:
		}
		select {
		case out <- Event{Session: s, Token: a.ClientToken}:
		case <-ctx.Done():
			return ctx.Err()
		}
		reason, last, err := k.hold(ctx, s, a.TTL)
		if err != nil {
			return err
		}
		old = last
		k.o.Log.Info("logging in again", "reason", reason)
	}
}

// login tries until it has a token.
func (k *Keeper) login(ctx context.Context, out chan<- Event, old lease.Lease) (*vault.Auth, error) {
	b := lease.Backoff{Min: k.o.MinBackoff, Max: k.o.MaxBackoff, Rand: k.o.Policy.Rand}
	for {
		a, err := k.once(ctx, old)
		if err == nil {
			return a, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if k.o.ExitOnErr {
			return nil, errors.Join(ErrLogin, err)
		}
		wait := max(b.Next(), vault.RetryAfter(err))
		if away(err) {
			wait = min(wait, maxAway)
		}
		select {
		case out <- Event{Err: err, Next: wait}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// once logs in once. While the token before still lives, an answer is not
// awaited longer than that allows.
func (k *Keeper) once(ctx context.Context, old lease.Lease) (*vault.Auth, error) {
	if now := time.Now(); now.Before(old.ExpiresAt()) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, lease.Patience(old, now))
		defer cancel()
	}
	return k.o.Method.Login(ctx)
}

// maxAway is the longest pause while Vault does not answer at all: it is the
// refused login that max_backoff protects Vault from, not a look whether
// Vault is back.
const maxAway = 15 * time.Second

func away(err error) bool {
	var ve *vault.Error
	return errors.As(err, &ve) && ve.Temporary() && ve.RetryAfter == 0
}

// hold keeps the session's token alive and returns, with the reason and what is
// left of the token's life, when a new login is due.
func (k *Keeper) hold(ctx context.Context, s *vault.Session, l lease.Lease) (reason string, left lease.Lease, err error) {
	full, last := l.TTL, false
	retry := lease.Backoff{Min: 500 * time.Millisecond, Max: 10 * time.Second, Rand: k.o.Policy.Rand}
	var again time.Time // the next try after a failed renewal
	for {
		at := k.due(l, full, last)
		if again.After(at) {
			at = again
		}
		checked, err := k.wait(ctx, l.TTL > 0, time.Until(at))
		if err != nil {
			return "", l, err
		}
		if checked {
			if c := vault.ClassOf(s.LookupSelf(ctx)); c == vault.InvalidToken || c == vault.Denied {
				return "Vault has ended the token", lease.Lease{}, nil
			}
			continue
		}
		if last || !l.Renewable {
			return "the token's life can't be prolonged further", l, nil
		}
		next, err := renew(ctx, s, l)
		switch c := vault.ClassOf(err); {
		case err == nil:
			l, full = next, max(full, next.TTL)
			last = !l.Renewable || lease.Truncated(l.TTL, full)
			again = time.Time{}
			retry.Reset()
			k.o.Log.Debug("token renewed", "ttl", l.TTL, "last", last)
		case ctx.Err() != nil:
			return "", l, ctx.Err()
		case c == vault.InvalidToken || c == vault.LeaseGone:
			return "Vault has ended the token", lease.Lease{}, nil
		case c == vault.Denied || c == vault.Invalid || c == vault.NotFound:
			k.o.Log.Warn("the token can't be renewed; it will be replaced", "error", err)
			l.Renewable = false
		case !time.Now().Before(l.ExpiresAt()):
			return "the token has ended", lease.Lease{}, nil
		default:
			again = time.Now().Add(max(retry.Next(), vault.RetryAfter(err)))
			if again.After(l.ExpiresAt()) {
				again = l.ExpiresAt()
			}
		}
	}
}

func renew(ctx context.Context, s *vault.Session, l lease.Lease) (lease.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, lease.Patience(l, time.Now()))
	defer cancel()
	return s.RenewSelf(ctx)
}

// due is when hold has to act on l.
func (k *Keeper) due(l lease.Lease, full time.Duration, last bool) time.Time {
	if last || !l.Renewable {
		// A token that can't be renewed any more hands over as a renewable
		// lease does: everything made with it ends with it.
		l.Renewable = true
		return k.o.Policy.ReplaceAt(l, full)
	}
	return k.o.Policy.RenewAt(l)
}

// wait waits for d (for ever when the token never ends) or for Check.
func (k *Keeper) wait(ctx context.Context, ends bool, d time.Duration) (checked bool, err error) {
	var timer <-chan time.Time
	if ends {
		t := time.NewTimer(d)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-timer:
		return false, nil
	case <-k.check:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Package auth gets tokens and keeps them alive: a Method logs in once, a
// Keeper calls it with backoff, renews the token, and logs in again early
// enough that the new token is in use while the old one still lives. It does
// not know what the token is used for.
package auth

import (
	"context"
	"errors"
	"log/slog"
	"sync"
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

// Event is what a Keeper has to tell. An empty one says that a login gave the
// token that is in use already.
type Event struct {
	// Session is set when a new token is there. All that was leased under
	// an earlier session ends with that session's token.
	Session *vault.Session
	// Token is what the sinks get: the token, or with a wrapped login, where
	// there is no session, what unwraps it, as JSON.
	Token vault.Token
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
	Reauth     bool          // log in again when the method's credentials are replaced
	Policy     lease.Policy
	Log        *slog.Logger
	// Number gives the next session's number.
	Number func() uint64
}

// Keeper keeps a token. Create it with New and give it one Run.
type Keeper struct {
	o     Options
	check chan struct{}
	fresh chan struct{}
}

// New prepares a Keeper.
func New(o Options) *Keeper {
	if o.MinBackoff == 0 {
		o.MinBackoff = time.Second
	}
	if o.MaxBackoff == 0 {
		o.MaxBackoff = 5 * time.Minute
	}
	return &Keeper{o: o, check: make(chan struct{}, 1), fresh: make(chan struct{}, 1)}
}

// Check says that Vault refused the token: the Keeper asks Vault at once, and
// logs in again when it is so. Check does not block.
func (k *Keeper) Check() { poke(k.check) }

func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// ErrLogin wraps the failed login that ended Run because of exit_on_err.
var ErrLogin = errors.New("login failed and exit_on_err is set")

// Run logs in, keeps the token alive, logs in again, until ctx ends. It ends
// earlier only with ErrLogin.
func (k *Keeper) Run(ctx context.Context, out chan<- Event) error {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	a, err := k.login(ctx, out, lease.Lease{})
	if err != nil {
		return err
	}
	if w, ok := k.o.Method.(Watcher); ok && k.o.Reauth {
		watching.Go(func() { w.Watch(ctx, func() { poke(k.fresh) }) })
	}
	var s *vault.Session
	var token vault.Token
	for {
		if s == nil || a.Wrapped != nil || !a.ClientToken.Equal(token) {
			s, token = k.o.Client.With(a.ClientToken, k.o.Number()), a.ClientToken
			err = k.publish(ctx, out, s, a)
		} else {
			// A token that was read from a file again: nothing hangs on another one.
			err = send(ctx, out, Event{})
		}
		if err != nil {
			return err
		}
		next, left, err := k.hold(ctx, out, s, a)
		if err != nil {
			return err
		}
		if a = next; a == nil {
			if a, err = k.login(ctx, out, left); err != nil {
				return err
			}
		}
	}
}

// publish tells of a new token.
func (k *Keeper) publish(ctx context.Context, out chan<- Event, s *vault.Session, a *vault.Auth) error {
	select {
	case <-k.check: // it was about the token before
	default:
	}
	e := Event{Session: s, Token: a.ClientToken}
	if a.Wrapped != nil {
		raw, err := a.Wrapped.JSON()
		if err != nil {
			return err
		}
		e = Event{Token: vault.NewToken(string(raw))}
	}
	return send(ctx, out, e)
}

func send(ctx context.Context, out chan<- Event, e Event) error {
	select {
	case out <- e:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// login tries until it has a token.
func (k *Keeper) login(ctx context.Context, out chan<- Event, old lease.Lease) (*vault.Auth, error) {
	b := k.backoff()
	for {
		a, wait, err := k.try(ctx, out, old, &b)
		if a != nil || err != nil {
			return a, err
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

func (k *Keeper) backoff() lease.Backoff {
	return lease.Backoff{Min: k.o.MinBackoff, Max: k.o.MaxBackoff, Rand: k.o.Policy.Rand}
}

// try logs in once. Without a token it says how long to wait before the next
// try; its error ends Run.
func (k *Keeper) try(ctx context.Context, out chan<- Event, old lease.Lease, b *lease.Backoff) (*vault.Auth, time.Duration, error) {
	a, err := k.once(ctx, old)
	switch {
	case err == nil:
		return a, 0, nil
	case ctx.Err() != nil:
		return nil, 0, ctx.Err()
	case k.o.ExitOnErr:
		return nil, 0, errors.Join(ErrLogin, err)
	}
	wait := max(b.Next(), vault.RetryAfter(err))
	if away(err) {
		wait = min(wait, maxAway)
	}
	return nil, wait, send(ctx, out, Event{Err: err, Next: wait})
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

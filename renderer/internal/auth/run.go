package auth

import (
	"context"
	"errors"
	"sync"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// ErrLogin wraps the failed login that ended Run because of exit_on_err.
var ErrLogin = errors.New("login failed and exit_on_err is set")

// granted is a token, and how it came to be there.
type granted struct {
	*vault.Auth
	reason  string // of the login; "" = resumed
	full    time.Duration
	last    bool
	resumed bool
}

func (g *granted) life() *Life { return &Life{Lease: g.TTL, Full: g.full, Last: g.last} }

// Run logs in or takes up the token of before, keeps the token alive, logs in
// again, until ctx ends. It ends earlier only with ErrLogin.
func (k *Keeper) Run(ctx context.Context, out chan<- Event) error {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer k.beside.stop()
	defer cancel()
	k.listen(ctx, out)
	g, err := k.first(ctx, out)
	if err != nil {
		return err
	}
	if w, ok := k.o.Method.(Watcher); ok && k.o.Reauth {
		watching.Go(func() { w.Watch(ctx, func() { poke(k.fresh) }) })
	}
	var s *vault.Session
	var token vault.Token
	for {
		if s == nil || g.Wrapped != nil || !g.ClientToken.Equal(token) {
			s, token = k.o.Client.With(g.ClientToken, k.o.Number()), g.ClientToken
			err = k.publish(ctx, out, s, g)
		} else {
			// A token that was read from a file again: nothing hangs on another one.
			err = errors.Join(send(ctx, out, Event{}), send(ctx, out, Event{Life: g.life()}))
		}
		if err != nil {
			return err
		}
		if g, err = k.next(ctx, out, s, g); err != nil {
			return err
		}
	}
}

// listen has the method's alarms sent.
func (k *Keeper) listen(ctx context.Context, out chan<- Event) {
	if m, ok := k.o.Method.(Alarmer); ok {
		m.OnAlarm(func(what string) { _ = send(ctx, out, Event{Alarm: what}) })
	}
	k.beside.method, _ = k.o.Method.(Renewer)
}

// first gives the token of before, or logs in.
func (k *Keeper) first(ctx context.Context, out chan<- Event) (*granted, error) {
	a := k.o.Resume
	if a == nil {
		return k.login(ctx, out, ReasonFirst, lease.Lease{})
	}
	if a.TTL.TTL > 0 && !time.Now().Before(a.TTL.ExpiresAt()) {
		k.o.Log.Info("logging in: the token of before has ended")
		return k.login(ctx, out, ReasonExpired, lease.Lease{})
	}
	return &granted{Auth: a, full: max(k.o.ResumeFull, a.TTL.TTL), last: k.o.ResumeLast, resumed: true}, nil
}

// next keeps g's token and gives the one that follows.
func (k *Keeper) next(ctx context.Context, out chan<- Event, s *vault.Session, g *granted) (*granted, error) {
	k.live = nil
	if g.Wrapped == nil {
		k.live = s
	}
	k.beside.start(ctx, k.live)
	next, reason, left, err := k.hold(ctx, out, s, g)
	if err != nil || next != nil {
		return next, err
	}
	return k.login(ctx, out, reason, left)
}

// publish tells of a new token.
func (k *Keeper) publish(ctx context.Context, out chan<- Event, s *vault.Session, g *granted) error {
	select {
	case <-k.check: // it was about the token before
	default:
	}
	e := Event{Session: s, Token: g.ClientToken, Auth: g.Auth, Resumed: g.resumed, Reason: g.reason, Life: g.life()}
	if g.Wrapped != nil {
		raw, err := g.Wrapped.JSON()
		if err != nil {
			return err
		}
		e = Event{Token: vault.NewToken(string(raw)), Reason: g.reason}
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
func (k *Keeper) login(ctx context.Context, out chan<- Event, reason string, old lease.Lease) (*granted, error) {
	b := k.backoff()
	for {
		g, wait, err := k.try(ctx, out, reason, old, &b)
		if g != nil || err != nil {
			return g, err
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
func (k *Keeper) try(ctx context.Context, out chan<- Event, reason string, old lease.Lease, b *lease.Backoff) (*granted, time.Duration, error) {
	k.beside.stop()
	a, err := k.once(ctx, old)
	switch {
	case err == nil:
		return &granted{Auth: a, reason: reason, full: a.TTL.TTL}, 0, nil
	case ctx.Err() != nil:
		return nil, 0, ctx.Err()
	case k.o.ExitOnErr:
		return nil, 0, errors.Join(ErrLogin, err)
	}
	k.beside.start(ctx, k.live)
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

// sleepUntil sleeps until at, for ever when that is zero.
func sleepUntil(ctx context.Context, at time.Time) error {
	if at.IsZero() {
		<-ctx.Done()
		return ctx.Err()
	}
	return sleep(ctx, time.Until(at))
}

// Package watch keeps one secret up to date: a Watcher asks for one distinct
// request, renews its lease, replaces it before it ends, or asks again after a
// while when there is no lease. However many templates use the secret, there is
// one Watcher. A request can also name a file of this host, or a certificate,
// which may be in the file that it was rendered to. The package knows nothing of
// templates, and writes no files.
package watch

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// Sessions hands the present session to all watchers. The zero value has none yet.
type Sessions struct {
	mu      sync.Mutex
	current *vault.Session
	changed chan struct{}
}

// Set makes s the present session.
func (b *Sessions) Set(s *vault.Session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.current = s
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// Get gives the present session (nil before the first) and a channel that is
// closed when there is another.
func (b *Sessions) Get() (*vault.Session, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return b.current, b.changed
}

// wait gives a session, waiting for the first one.
func (b *Sessions) wait(ctx context.Context) (*vault.Session, error) {
	for {
		s, changed := b.Get()
		if s != nil {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Update is what a Watcher has to tell: a new value, or that it can't be had.
type Update struct {
	Request vault.Request
	// Secret is the new value; nil when there is none. A value stays good
	// until another Update brings the next: an error does not take it back.
	Secret *vault.Secret
	// Err is why the last try failed, nil when it did not. Tries counts the
	// tries that failed in a row.
	Err   error
	Tries int
	// Local says that this came from this host: it tells nothing of Vault.
	Local bool
	// Resumed says that Secret is what Options.Resume held: Vault was not asked.
	Resumed bool
	// Reason is why Secret was fetched anew, one of the Reason constants.
	Reason string

	// Lease is how the value in use stands; the zero value when it has none.
	// Renewals and look-ups tell it too, with Secret nil. Full is the life that
	// was granted at most, Last says that no renewal will prolong it further.
	Lease lease.Lease
	Full  time.Duration
	Last  bool
	// Session is what the lease hangs on and is renewed with; Own says that its
	// token is the lease's own (see Options.Own). For a value without a lease it
	// is the session that read it; nil when Vault was not asked.
	Session *vault.Session
	Own     bool
}

// Why a value was fetched anew.
const (
	ReasonFirst        = "first"         // there was none yet
	ReasonResumed      = "resumed"       // it is the one of an earlier run
	ReasonMaxTTL       = "max_ttl"       // the lease can't be prolonged further
	ReasonNotRenewable = "not renewable" // it never could be, or the policy forbids it
	ReasonToken        = "token"         // it hangs on a token that another took the place of
	ReasonRevoked      = "revoked"       // Vault has ended the lease early
	ReasonExpired      = "expired"       // it ended while Vault could not be asked
	ReasonRefresh      = "refresh"       // Check was called, and the value had changed
	ReasonRotated      = "rotated"       // Vault has changed a password of its own accord
	ReasonChanged      = "changed"       // somebody has changed it
)

// Resume is a value of an earlier run.
type Resume struct {
	Secret *vault.Secret
	Full   time.Duration // the life that was granted at most; 0 = Secret.Lease.TTL
	Last   bool          // no renewal will prolong it further
	// Session is what the lease hangs on; a session of another number (N) makes
	// the secret anew. nil = the first one of Options.Sessions, whichever it is.
	Session *vault.Session
	Own     bool // Session's token is the lease's own
}

// Options are a Watcher's settings.
type Options struct {
	Request        vault.Request
	Sessions       *Sessions
	Policy         lease.Policy
	StaticInterval time.Duration // between reads of a secret without a lease
	MinBackoff     time.Duration // after a failure; 250 ms when 0
	MaxBackoff     time.Duration // 30 s when 0
	// TokenRefused is called when Vault does not know the token any more.
	TokenRefused func()
	Log          *slog.Logger

	// Resume is reported at once and used as long as Vault says that it is
	// good, or can't be asked; nil = ask for a value first.
	Resume *Resume
	// Lookup is the time between questions whether a lease still lives: 0 = a
	// tenth of it, 10 s at least and 5 min at most; below 0 = never, but for
	// Check and Resume.
	Lookup time.Duration
	// Own makes a token below the session's own for what is leased next, so
	// that it can be ended by ending the token. It is called before a fetch
	// that may be answered with a lease; nil = none. Disown is told of such a
	// token that the Watcher ended itself, since nothing hangs on it; it may be
	// nil.
	Own    func(context.Context, *vault.Session) (*vault.Session, error)
	Disown func(*vault.Session)
}

// Watcher watches one request. Create it with New and give it one Run.
type Watcher struct {
	o     Options
	last  *vault.Secret
	tries int
	local bool // the last answer came from this host
	cert  certState

	hurried int // reads in a row that asked for the next at once

	poke chan struct{} // one is kept
}

// New prepares a Watcher.
func New(o Options) *Watcher {
	if o.MinBackoff == 0 {
		o.MinBackoff = 250 * time.Millisecond
	}
	if o.MaxBackoff == 0 {
		o.MaxBackoff = 30 * time.Second
	}
	o.MaxBackoff = max(o.MaxBackoff, o.MinBackoff)
	return &Watcher{o: o, cert: newCertState(o), poke: make(chan struct{}, 1)}
}

// Check has the Watcher look at once whether its value is still good: it looks
// up the lease, or reads again what has none. It never blocks, may be called
// from anywhere, and asks Vault once a second at most. What is written and
// certificates are not asked for again by it.
func (w *Watcher) Check() {
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

// Run watches until ctx ends.
func (w *Watcher) Run(ctx context.Context, out chan<- Update) error {
	if w.o.Request.Method == vault.MethodFile {
		return w.runFile(ctx, out)
	}
	for {
		s, err := w.get(ctx, out)
		if err != nil {
			return err
		}
		if err := w.hold(ctx, s, out); err != nil {
			return err
		}
	}
}

// get reports the next value: from Vault, or for a certificate from where it
// is in place already. The session is nil when Vault was not asked.
func (w *Watcher) get(ctx context.Context, out chan<- Update) (*vault.Session, error) {
	if w.o.Request.Method == vault.MethodPKI {
		secret, why := w.fromDestination()
		if secret != nil {
			w.o.Log.Info("the certificate in the destination is still good", "secret", w.o.Request.String(), "replaced_at", w.cert.due)
			w.local = true
			return nil, w.report(ctx, out, secret)
		}
		w.o.Log.Info("asking Vault for a certificate", "secret", w.o.Request.String(), "because", why)
	}
	w.local = false
	return w.fetch(ctx, out)
}

// maxAway is the longest pause while Vault does not answer: what lapsed in the
// meantime is dead from the moment Vault is back.
const maxAway = 5 * time.Second

// fetch asks until it has an answer and reports what is new in it.
func (w *Watcher) fetch(ctx context.Context, out chan<- Update) (*vault.Session, error) {
	b := lease.Backoff{Min: w.o.MinBackoff, Max: w.o.MaxBackoff, Rand: w.o.Policy.Rand}
	for {
		s, err := w.o.Sessions.wait(ctx)
		if err != nil {
			return nil, err
		}
		secret, err := w.ask(ctx, s)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil {
			return s, w.report(ctx, out, secret)
		}
		w.tries++
		if err := send(ctx, out, Update{Request: w.o.Request, Err: err, Tries: w.tries}); err != nil {
			return nil, err
		}
		if vault.ClassOf(err) == vault.InvalidToken {
			w.o.TokenRefused()
		}
		wait := b.Next()
		if c := vault.ClassOf(err); c == vault.Transient || c == vault.Sealed {
			wait = min(wait, maxAway)
		}
		if err := w.pause(ctx, s, max(wait, vault.RetryAfter(err))); err != nil {
			return nil, err
		}
	}
}

// pause waits for d, or less when there is another session to try with.
func (w *Watcher) pause(ctx context.Context, used *vault.Session, d time.Duration) error {
	s, changed := w.o.Sessions.Get()
	if s != used {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-changed:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// report sends secret if it says anything new: other values, or an end to failures.
func (w *Watcher) report(ctx context.Context, out chan<- Update, secret *vault.Secret) error {
	same := w.last != nil && !secret.Lease.Leased() && w.last.Data.Equal(secret.Data)
	recovered := w.tries > 0
	w.tries = 0
	if same {
		w.last.Lease = secret.Lease
		if !recovered {
			return nil
		}
		return send(ctx, out, Update{Request: w.o.Request, Local: w.local})
	}
	w.last = &vault.Secret{}
	*w.last = *secret
	return send(ctx, out, Update{Request: w.o.Request, Secret: secret, Local: w.local})
}

func send(ctx context.Context, out chan<- Update, u Update) error {
	select {
	case out <- u:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hold returns when the secret is to be read again.
func (w *Watcher) hold(ctx context.Context, s *vault.Session, out chan<- Update) error {
	if w.last.Lease.Leased() {
		return w.holdLease(ctx, s, out)
	}
	if w.o.Request.Method == vault.MethodPKI {
		return w.holdCertificate(ctx)
	}
	d := w.unhurried(untilNextRead(w.last, w.o.StaticInterval, w.o.Policy))
	if w.last.Auth != nil { // a token ends with the one that made it
		_, err := w.waitSession(ctx, s, d)
		return err
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// holdLease keeps the lease alive. It returns when the lease is to be replaced:
// because it nears its end, is gone, or hangs on a token that is not used any
// more.
func (w *Watcher) holdLease(ctx context.Context, s *vault.Session, out chan<- Update) error {
	l := w.last.Lease
	full, last := l.TTL, false
	retry := lease.Backoff{Min: 500 * time.Millisecond, Max: maxAway, Rand: w.o.Policy.Rand}
	var again time.Time
	for {
		at := w.due(l, full, last)
		if again.After(at) {
			at = again
		}
		if other, err := w.waitSession(ctx, s, time.Until(at)); err != nil || other {
			return err
		}
		if last || !l.Renewable {
			return nil
		}
		next, err := w.renew(ctx, s, l, full)
		switch c := vault.ClassOf(err); {
		case err == nil:
			l, full = next, max(full, next.TTL)
			w.last.Lease.IssuedAt, w.last.Lease.TTL = l.IssuedAt, l.TTL
			last = !l.Renewable || lease.Truncated(l.TTL, full)
			again = time.Time{}
			retry.Reset()
			w.o.Log.Debug("lease renewed", "secret", w.o.Request.String(), "ttl", l.TTL, "last", last)
			if w.tries > 0 {
				w.tries = 0
				if err := send(ctx, out, Update{Request: w.o.Request}); err != nil {
					return err
				}
			}
		case ctx.Err() != nil:
			return ctx.Err()
		case c == vault.LeaseGone || c == vault.NotFound:
			w.o.Log.Warn("Vault has ended the lease early; asking for new credentials", "secret", w.o.Request.String())
			return nil
		case c == vault.Denied || c == vault.Invalid:
			w.o.Log.Warn("the lease can't be renewed; it will be replaced before it ends", "secret", w.o.Request.String(), "error", err)
			l.Renewable = false
		case !time.Now().Before(l.ExpiresAt()):
			return nil
		default:
			if c == vault.InvalidToken {
				w.o.TokenRefused()
			}
			again = time.Now().Add(max(retry.Next(), vault.RetryAfter(err)))
			if again.After(l.ExpiresAt()) {
				again = l.ExpiresAt()
			}
			w.tries++
			if err := send(ctx, out, Update{Request: w.o.Request, Err: err, Tries: w.tries}); err != nil {
				return err
			}
		}
	}
}

func (w *Watcher) renew(ctx context.Context, s *vault.Session, l lease.Lease, full time.Duration) (lease.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, lease.Patience(l, time.Now()))
	defer cancel()
	return s.RenewLease(ctx, l, full)
}

// ask fetches the secret. While what is in use has a lease that lives, an
// answer is not awaited longer than that allows.
func (w *Watcher) ask(ctx context.Context, s *vault.Session) (*vault.Secret, error) {
	if w.last != nil && w.last.Lease.Leased() && time.Now().Before(w.last.Lease.ExpiresAt()) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, lease.Patience(w.last.Lease, time.Now()))
		defer cancel()
	}
	if w.o.Request.Method == vault.MethodPKI {
		return w.issue(ctx, s)
	}
	return s.Fetch(ctx, w.o.Request)
}

func (w *Watcher) due(l lease.Lease, full time.Duration, last bool) time.Time {
	switch {
	case last:
		l.Renewable = true // it was: the overlap is that of a renewable lease
		return w.o.Policy.ReplaceAt(l, full)
	case l.Renewable:
		return w.o.Policy.RenewAt(l)
	}
	return w.o.Policy.ReplaceAt(l, full)
}

// waitSession waits for d; other is true when the session was replaced meanwhile.
func (w *Watcher) waitSession(ctx context.Context, s *vault.Session, d time.Duration) (other bool, err error) {
	cur, changed := w.o.Sessions.Get()
	if cur != s {
		return true, nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return false, nil
	case <-changed:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

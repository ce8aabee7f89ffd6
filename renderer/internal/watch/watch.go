// Package watch keeps one secret up to date: a Watcher asks for one distinct
// request, renews its lease, replaces it before it ends, or asks again after a
// while when there is no lease. However many templates use the secret, there is
// one Watcher. A request can also name a file of this host, or a certificate,
// which may be in the file that it was rendered to. The package knows nothing of
// templates, and writes no files.
package watch

import (
	"cmp"
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
	kinds   kinds
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
	// that may be answered with a lease; nil = none. When it gives neither a
	// session nor an error the shared one serves; a session that comes with an
	// error is ended.
	Own func(context.Context, *vault.Session) (*vault.Session, error)
	// Disown is told of a token of Own's that the Watcher ended itself, since
	// nothing hangs on it; it may be nil.
	Disown func(*vault.Session)
}

// Watcher watches one request. Create it with New and give it one Run.
type Watcher struct {
	o     Options
	log   *slog.Logger
	last  *vault.Secret
	tries int
	local bool // the last answer came from this host
	cert  certState
	rot   rotation

	grant          // of last
	held   *holder // of last's lease; nil = it has none
	why    string  // Reason of the value that comes next; "" = it shows by itself
	asked  time.Time
	poke   chan struct{} // keeps one
	maker  maker
	ends   lease.Backoff // between leases that Vault ended early, one after another
	ending bool          // the last one was, and the present one was not confirmed

	hurried int  // reads in a row that asked for the next at once
	resumed bool // last is of an earlier run
}

// grant is what a value hangs on.
type grant struct {
	base *vault.Session // of Options.Sessions; nil = Vault was not asked
	used *vault.Session // that it was read with: base, or one below it
	own  bool           // used has a token of its own
}

// New prepares a Watcher.
func New(o Options) *Watcher {
	o.MinBackoff = cmp.Or(o.MinBackoff, 250*time.Millisecond)
	o.MaxBackoff = max(cmp.Or(o.MaxBackoff, 30*time.Second), o.MinBackoff)
	if o.TokenRefused == nil {
		o.TokenRefused = func() {}
	}
	return &Watcher{
		o: o, log: o.Log.With("secret", o.Request.String()), cert: newCertState(o), why: ReasonFirst, poke: make(chan struct{}, 1),
		ends: lease.Backoff{Min: time.Second, Max: time.Minute, Rand: o.Policy.Rand},
	}
}

// Check has the Watcher look at once whether its value is still good: it looks
// up the lease, or reads again what has none. It never blocks, may be called
// from anywhere, and asks Vault once a second at most. It writes nothing again
// and asks for no certificate: of those it only looks at the clock anew.
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
	defer w.dropSpare(ctx)
	holds, err := w.resume(ctx, out)
	for err == nil {
		if !holds {
			if err = w.get(ctx, out); err != nil {
				return err
			}
		}
		holds, err = false, w.hold(ctx, out)
	}
	return err
}

// get reports the next value: from Vault, or for a certificate from where it
// is in place already.
func (w *Watcher) get(ctx context.Context, out chan<- Update) error {
	if w.o.Request.Method == vault.MethodPKI {
		secret, why := w.fromDestination()
		if secret != nil {
			w.log.Info("the certificate in the destination is still good", "replaced_at", w.cert.due)
			w.local = true
			return w.report(ctx, out, secret, grant{})
		}
		w.log.Info("asking Vault for a certificate", "because", why)
	}
	w.local = false
	return w.fetch(ctx, out)
}

// send tells out, unless ctx ends first.
func send(ctx context.Context, out chan<- Update, u Update) error {
	select {
	case out <- u:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// woken says what ended a wait.
type woken int

const (
	byTime woken = iota
	bySession
	byCheck
)

// wait waits until at, for Check, or until base is not the session any more; a
// base that is nil is no session.
func (w *Watcher) wait(ctx context.Context, base *vault.Session, at time.Time) (woken, error) {
	var changed <-chan struct{}
	if base != nil {
		var now *vault.Session
		if now, changed = w.o.Sessions.Get(); now != base {
			return bySession, ctx.Err()
		}
	}
	t := time.NewTimer(time.Until(at))
	defer t.Stop()
	select {
	case <-t.C:
		return byTime, nil
	case <-changed:
		return bySession, nil
	case <-w.poke:
		return byCheck, nil
	case <-ctx.Done():
		return byTime, ctx.Err()
	}
}

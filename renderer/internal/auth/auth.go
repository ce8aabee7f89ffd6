// Package auth gets tokens and keeps them alive: a Method logs in once, a
// Keeper calls it with backoff, renews the token, and logs in again early
// enough that the new token is in use while the old one still lives. It does
// not know what the token is used for.
package auth

import (
	"context"
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

// Renewer is a Method that keeps its own credentials fresh with the token that
// they gave, or has something else to do while a token lives.
type Renewer interface {
	// Renew runs beside the keeping of a token until ctx ends, or until it has
	// nothing to do. ctx ends with the session and before each Login: the two
	// never run at the same time. After a Login that failed, Renew is called
	// again with the session of before as long as that lives.
	Renew(ctx context.Context, s *vault.Session)
}

// Alarmer is a Method that may find out that somebody else has its credentials.
type Alarmer interface {
	// OnAlarm is called once, before anything else. tell may be called from
	// Login and Renew; it returns when the alarm is handed over or Run ends.
	OnAlarm(tell func(what string))
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
	// Auth is set together with Session: the token as the login gave it.
	Auth *vault.Auth
	// Resumed says that Session has the token of Options.Resume: nobody logged
	// in, and Vault has not yet been asked whether it is good.
	Resumed bool
	// Reason says why there was a login for Session, one of the Reason
	// constants; "" when Resumed.
	Reason string
	// Life is how the token in use stands. It comes with Session, and alone
	// (with neither Session nor Token) after a renewal or a look-up that changed
	// what is known. nil in all other events.
	Life *Life
	// Alarm is set, alone, when somebody else seems to have the credentials:
	// the text of what was logged, for counting.
	Alarm string
	// Err is set when a login failed; another one follows after Next.
	Err  error
	Next time.Duration
}

// Life is how a token stands.
type Life struct {
	Lease lease.Lease   // as last granted or looked up; a TTL of 0 never ends
	Full  time.Duration // the longest life that was granted
	Last  bool          // no renewal will prolong it further
}

// Why there was a login.
const (
	ReasonFirst        = "first"           // there was no token
	ReasonMaxTTL       = "token_max_ttl"   // the token can't be prolonged further
	ReasonNotRenewable = "not renewable"   // it never could be, or the policy forbids it
	ReasonRevoked      = "revoked"         // Vault has ended it early
	ReasonExpired      = "expired"         // it ended while Vault could not be asked
	ReasonCredentials  = "new credentials" // those it came from were replaced
)

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

	// Resume is a token of an earlier run; nil = log in first. It is published
	// at once and then looked up: one that Vault does not know any more leads
	// to a login, and so does one that has ended already. While Vault is away
	// it is in use until its life ends. Its TTL is the last known life.
	Resume     *vault.Auth
	ResumeFull time.Duration // the longest life that was granted; 0 = Resume's
	ResumeLast bool          // no renewal will prolong it further
	// Lookup is the time between questions whether the token still lives: 0 = a
	// tenth of its life, 10 s at least and 5 min at most; below 0 = never, but
	// for Check and Resume. A renewal counts as one.
	Lookup time.Duration
}

// Keeper keeps a token. Create it with New and give it one Run.
type Keeper struct {
	o      Options
	check  chan struct{}
	fresh  chan struct{}
	live   *vault.Session // the last one, until its token has ended
	beside beside
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

// Check says that the token may be good no more, since Vault refused it or time
// jumped: the Keeper asks Vault at once, and logs in again when it is so. Check
// does not block.
func (k *Keeper) Check() { poke(k.check) }

func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

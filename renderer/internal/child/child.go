// Package child runs one application as its supervisor: it starts it when its
// secrets are there, tells or replaces it when they change, hands signals and
// the exit code through, and leaves nothing running behind. It knows nothing of
// Vault, templates or configurations.
package child

import (
	"log/slog"
	"os"
	"syscall"
	"time"
)

// Restart says what happens when the environment changes.
type Restart string

// What happens to the child when its environment changes.
const (
	Always  Restart = "always"  // it is stopped and started again
	Never   Restart = "never"   // it keeps running with what it has
	Rolling Restart = "rolling" // a new one is started, and the old one stopped when the new one is ready
)

// Options says what is run and how. What is zero gets the default named here.
type Options struct {
	Command []string // one element with blanks runs through sh -c
	Dir     string   // "" = ours
	Env     []string // complete; NOTIFY_SOCKET, LISTEN_* and, without Token, VAULT_TOKEN are left out
	Token   bool     // the child gets the VAULT_TOKEN of Env

	User  string // name or number; "" = ours
	Group string // name or number; "" = the user's own

	Stdin  *os.File // nil = /dev/null; a terminal in whose foreground we are is handed to the child
	Stdout *os.File // nil = /dev/null; inherited as it is: nothing is copied
	Stderr *os.File // nil = /dev/null

	KillSignal   syscall.Signal // asks the child to end; SIGTERM
	KillTimeout  time.Duration  // then its whole group is killed; 30 s
	ReloadSignal syscall.Signal // tells the child that files changed; 0 = it is not told

	Restart Restart       // Always
	Splay   time.Duration // a change is acted on after a random part of it
	Ready   *Ready        // when a child counts as ready; nil = when it runs. Rolling needs one

	Sockets []Socket // listened on by the supervisor, passed to every child

	// A child that ends within Settle after a restart of ours, or can't be
	// started then, is started again up to MaxRestarts times, after BackoffMin,
	// doubling up to BackoffMax. A new child that Rolling refuses is tried again
	// with the same backoff, for ever: the old one serves.
	MaxRestarts int           // 5; < 0 = never again
	Settle      time.Duration // 5 s
	BackoffMin  time.Duration // 1 s
	BackoffMax  time.Duration // 30 s

	Events func(Event)    // called by Run's goroutine, in order: it must not block; may be nil
	Log    *slog.Logger   // nil = no log. No argument and no value ever gets there
	Rand   func() float64 // in [0, 1); nil = math/rand
}

// Socket is one that the supervisor listens on and its children serve.
type Socket struct {
	Name    string // in LISTEN_FDNAMES; "" = "listen"
	Network string // tcp, tcp4, tcp6, unix, udp, udp4, udp6, unixgram
	Address string
}

// Update is what the child should run with now.
type Update struct {
	Env          []string // NAME=value from templates; wins over Options.Env
	FilesChanged bool     // files that the child reads have changed since the Update before
	Restart      bool     // treat it as a changed environment whatever Env says
	Generation   uint64   // comes back in Events
}

// Kind says what an Event tells.
type Kind string

// What Events tell.
const (
	Started  Kind = "started"  // a child runs
	IsReady  Kind = "ready"    // it is ready, and the one in charge
	Refused  Kind = "refused"  // Err says why a change is not in effect, or that the child is not ready
	Reloaded Kind = "reloaded" // it was sent the reload signal
	Stale    Kind = "stale"    // Never: it keeps running with what it has
	Stopped  Kind = "stopped"  // we ended it
	Ended    Kind = "ended"    // it ended by itself, with Code
)

// Event tells the caller what became of an Update.
type Event struct {
	Kind       Kind
	PID        int    // of the child that it is about; 0 = none was started
	Generation uint64 // of the Update that it was started with, or is told of
	Code       int    // of a child that ended: as a shell gives it, 128+n for signals
	Err        error
}

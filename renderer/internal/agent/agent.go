// Package agent wires the parts together and runs them: one goroutine, the
// loop, owns all state; logins, watchers and hooks run beside it and send it
// values. It decides what is rendered when; how a thing is done is the other
// packages' business.
package agent

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/sync/errgroup"

	"vault-renderer/renderer/internal/auth"
	"vault-renderer/renderer/internal/auth/sink"
	"vault-renderer/renderer/internal/child"
	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/report"
	"vault-renderer/renderer/internal/rollout"
	"vault-renderer/renderer/internal/state"
	"vault-renderer/renderer/internal/telemetry"
	"vault-renderer/renderer/internal/vault"
	"vault-renderer/renderer/internal/watch"
)

// Options are what an Agent needs from outside.
type Options struct {
	Config *config.Config
	// Load reads the configuration again for Reload; diagnostics that are
	// errors leave the running configuration in force. nil = no reload.
	Load func() (*config.Config, hcl.Diagnostics)
	// Diagnose prints diagnostics of a reload; nil = dropped.
	Diagnose func(*config.Config, hcl.Diagnostics)
	Log      *slog.Logger
	SetLevel func(slog.Level) // a reload's log_level; nil = ignored
	Version  string
	Metrics  *telemetry.Metrics // nil = nothing is counted
	Rand     func() float64     // [0,1)
	Stdout   *os.File           // of hooks
	Stderr   *os.File

	// Place puts the files of a rollout in place; nil = rollout.Commit. A plan
	// shows them instead.
	Place func([]rollout.Output) (changed []bool, err error)

	// Transport replaces the network: tests in fake time.
	Transport http.RoundTripper
}

// Agent runs one configuration. Create it with New and give it one Run.
type Agent struct {
	o       Options
	policy  lease.Policy
	plan    *plan
	reloads chan struct{}

	dry bool // nothing is written: see Preview

	// The rest belongs to the loop.
	ctx      context.Context // of the goroutines beside the loop
	group    *errgroup.Group
	events   chan authEvent
	updates  chan watch.Update
	told     chan rollout.Told
	sessions watch.Sessions
	session  atomic.Uint64 // number of the last session

	keeper      atomic.Pointer[auth.Keeper]
	keeperID    int
	stopKeepers map[int]context.CancelFunc
	token       vault.Token // what the sinks get; empty before the first login
	sinks       sinks

	queue     []*unit   // what the next refresh looks at
	retryAt   time.Time // when the first of the failed units is tried again; zero = none
	inspectAt time.Time // when the files are looked at; zero = nothing is in place yet
	entries   map[vault.Request]*entry
	notifiers map[string]*notifier
	toTell    []string // keys of hooks that are to run, in order
	telling   string   // key of the hook that is at its first try
	change    uint64   // number of the last change that hooks were told of, or that a flight brings

	away       bool // Vault does not answer
	awaySince  time.Time
	loginTries int // that Vault refused, in a row
	started    time.Time

	// Leases and tokens, from their first moment to their last.
	ledger  ledger
	owed    owed
	holding holding
	terms   map[string]terms                  // of leases that an application has let go of
	dueAt   time.Time                         // when the first of them is to be revoked; zero = none
	asked   map[*vault.Session]state.InFlight // own tokens under which a request is on its way

	// Managed rollouts.
	moved   map[string]*moved // by name
	flights []*flight
	waiting *plan // to be put in force when no flight is on its way

	// What an earlier run left, and what the next one goes on from.
	store        *state.Store // nil = no state file
	unsaved      bool
	saveErr      string
	resumed      *resumedToken // until a keeper has it
	resumable    map[vault.Request]value
	resumedSinks map[string]sink.Stamp
	memory       map[string][]byte // what login methods keep, by name

	process    *process // nil = no child is supervised
	supervisor atomic.Pointer[child.Supervisor]

	keptTokens chan auth.Kept
	calls      chan func()
	pokes      chan string
}

// authEvent is a keeper's event with the keeper's number.
type authEvent struct {
	auth.Event
	keeper int
}

// number is the session's number, 0 when the login was wrapped.
func (e authEvent) number() uint64 {
	if e.Session == nil {
		return 0
	}
	return e.Session.N
}

// New builds everything that can fail before anything is changed: client,
// templates, destinations. Warnings alone give an Agent.
func New(o Options) (*Agent, hcl.Diagnostics) {
	a := &Agent{
		o: o, policy: policyOf(o.Config, o.Rand),
		reloads: make(chan struct{}, 1), events: make(chan authEvent), updates: make(chan watch.Update, 256),
		told: make(chan rollout.Told), stopKeepers: map[int]context.CancelFunc{},
		entries: map[vault.Request]*entry{}, notifiers: map[string]*notifier{},
		sinks:  sinks{out: make(chan sink.Written), running: map[sinkKey]*sinkState{}},
		ledger: newLedger(), terms: map[string]terms{}, asked: map[*vault.Session]state.InFlight{},
		moved:     map[string]*moved{},
		resumable: map[vault.Request]value{}, resumedSinks: map[string]sink.Stamp{}, memory: map[string][]byte{},
		keptTokens: make(chan auth.Kept), calls: make(chan func()), pokes: make(chan string, 1),
	}
	if a.o.Place == nil {
		a.o.Place = rollout.Commit
	}
	p, diags := a.build(o.Config)
	a.plan = p
	return a, diags
}

func policyOf(cfg *config.Config, rand func() float64) lease.Policy {
	return lease.Policy{Threshold: cfg.TemplateConfig.LeaseRenewalThreshold, ReplaceBefore: cfg.Leases.ReplaceBefore, Rand: rand}
}

// clockEvery is how often the clocks are compared.
const clockEvery = 5 * time.Second

// watchClock has everything looked up after the machine slept, was paused, or
// had its clock set: timers know nothing of that time.
func (a *Agent) watchClock(ctx context.Context) error {
	return watch.Jumps(ctx, clockEvery, nil, func(by time.Duration) {
		a.Refresh("the clock jumped by " + by.Round(time.Second).String())
	})
}

// log is the log of one part of the agent.
func (a *Agent) log(module string) *slog.Logger { return report.Named(a.o.Log, module) }

// Validate says what New would find wrong with a configuration, also with one
// that could not be read completely.
func Validate(cfg *config.Config) hcl.Diagnostics {
	a := &Agent{o: Options{Config: cfg, Log: slog.New(slog.DiscardHandler)}}
	_, diags := a.build(cfg)
	return diags
}

// Reload asks for the configuration to be read again. It does not block.
func (a *Agent) Reload() {
	select {
	case a.reloads <- struct{}{}:
	default:
	}
}

// ErrIncomplete wraps why a one-shot run (exit_after_auth), or one with
// exit_on_retry_failure, gave up.
var ErrIncomplete = errors.New("not everything could be rendered")

// Run works until ctx ends (nil), until everything is rendered with
// exit_after_auth (nil), or until something fails that the configuration says
// not to survive. It returns after all its goroutines have ended.
func (a *Agent) Run(ctx context.Context) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	a.group, a.ctx = errgroup.WithContext(inner)
	a.started = time.Now()
	a.o.Metrics.Authenticated(false)
	if err := a.buildProcess(); err != nil {
		return err
	}
	if err := a.openState(); err != nil {
		a.dropProcess()
		return err
	}
	a.stopInOrder(ctx, cancel)
	if !a.dry {
		a.sweep()
	}
	a.plan.slim()
	a.startSinks()
	a.startKeeper()
	a.group.Go(func() error {
		defer cancel()
		return a.loop(a.ctx)
	})
	a.spawn(a.ctx, a.watchClock)
	err := a.group.Wait()
	a.leave()
	a.plan.client.CloseIdleConnections()
	if errors.Is(err, context.Canceled) || errors.Is(err, errDone) {
		return nil
	}
	return err
}

// stopInOrder ends the run when ctx ends: first the child, which may need its
// credentials to the last, then everything else.
func (a *Agent) stopInOrder(ctx context.Context, cancel func()) {
	childCtx, stopChild := context.WithCancel(a.ctx)
	if a.process != nil {
		a.group.Go(func() error { return a.runProcess(childCtx) })
	}
	a.group.Go(func() error {
		defer cancel()
		defer stopChild()
		select {
		case <-ctx.Done():
		case <-a.ctx.Done():
		}
		stopChild()
		if a.process != nil {
			<-a.process.ended
		}
		return ctx.Err()
	})
}

// errDone ends the group when a one-shot run is complete.
var errDone = errors.New("done")

// spawn runs f beside the loop. The end of its context is no failure of the
// whole.
func (a *Agent) spawn(ctx context.Context, f func(context.Context) error) {
	a.group.Go(func() error {
		if err := f(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		return nil
	})
}

// first gives n, and then what next gives.
func first(n uint64, next func() uint64) func() uint64 {
	return func() uint64 {
		if n == 0 {
			return next()
		}
		out := n
		n = 0
		return out
	}
}

// startKeeper starts logging in with the plan's client and method. Keepers of
// an earlier plan go on until the new one has a token.
func (a *Agent) startKeeper() {
	a.keeperID++
	id := a.keeperID
	if a.plan.cfg.AutoAuth == nil {
		return // a listener only
	}
	m := a.plan.cfg.AutoAuth.Method
	o := auth.Options{
		Client: a.plan.client, Method: a.plan.method, MinBackoff: m.MinBackoff, MaxBackoff: m.MaxBackoff,
		ExitOnErr: m.ExitOnErr, Reauth: a.plan.cfg.AutoAuth.ReauthOnNewCredential, Policy: a.policy, Log: a.log("auth.handler"),
		Number: func() uint64 { return a.session.Add(1) }, Lookup: a.plan.cfg.Leases.LookupInterval,
	}
	if r := a.resumed; r != nil {
		a.resumed = nil
		o.Resume, o.ResumeFull, o.ResumeLast = r.auth, r.full, r.last
		o.Number = first(r.number, o.Number)
	}
	k := auth.New(o)
	ctx, cancel := context.WithCancel(a.ctx)
	a.keeper.Store(k)
	a.stopKeepers[id] = cancel
	out := make(chan auth.Event)
	a.spawn(ctx, func(ctx context.Context) error { return k.Run(ctx, out) })
	a.spawn(ctx, func(ctx context.Context) error {
		for {
			select {
			case e := <-out:
				select {
				case a.events <- authEvent{e, id}:
				case <-ctx.Done():
					return ctx.Err()
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
}

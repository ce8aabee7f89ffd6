package child

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"time"
)

// Supervisor runs a child. Set and Signal may be called by any goroutine, at
// any time.
type Supervisor struct {
	o       Options
	program *program
	base    []string // of every child's environment
	cred    *syscall.Credential
	sockets *bound
	wake    chan struct{} // there is something pending

	mu      sync.Mutex
	pending *Update
	current *process     // the one that signals are for
	running map[int]bool // all of them
}

// New checks all that can be checked before anything runs, and listens on the
// sockets: a command that is not there or may not be executed is an *ExitError.
// Who does not call Run calls Close.
func New(o Options) (*Supervisor, error) {
	o.setDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &Supervisor{
		o: o, base: withoutOurs(o.Env, o.Token),
		wake: make(chan struct{}, 1), running: map[int]bool{},
	}
	var err error
	if s.program, err = find(o.Command, s.base, o.Dir); err != nil {
		return nil, err
	}
	if s.cred, err = credential(o.User, o.Group); err != nil {
		return nil, err
	}
	if s.sockets, err = bind(o.Sockets); err != nil {
		return nil, err
	}
	return s, nil
}

func (o *Options) setDefaults() {
	setDefault(&o.KillSignal, syscall.SIGTERM)
	setDefault(&o.KillTimeout, 30*time.Second)
	setDefault(&o.Restart, Always)
	setDefault(&o.MaxRestarts, 5)
	setDefault(&o.Settle, 5*time.Second)
	setDefault(&o.BackoffMin, time.Second)
	setDefault(&o.BackoffMax, 30*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	if o.Events == nil {
		o.Events = func(Event) {}
	}
	if o.Ready != nil {
		r := *o.Ready
		setDefault(&r.Timeout, time.Minute)
		setDefault(&r.Interval, 100*time.Millisecond)
		o.Ready = &r
	}
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

func (o *Options) check() error {
	switch o.Restart {
	case Always, Never:
	case Rolling:
		if o.Ready == nil {
			return errors.New("restarts are to be rolling, but nothing says when a new child is ready: the old one would be stopped too soon")
		}
	default:
		return fmt.Errorf("%q is none of the ways to restart: always, never, rolling", o.Restart)
	}
	if o.Ready != nil {
		if err := o.Ready.check(o.Sockets, o.Restart == Rolling); err != nil {
			return err
		}
	}
	if o.Dir == "" {
		return nil
	}
	st, err := os.Stat(o.Dir)
	if err == nil && !st.IsDir() {
		err = fmt.Errorf("%s: %w", o.Dir, syscall.ENOTDIR)
	}
	if err != nil {
		return fmt.Errorf("the child's directory: %w", plain(err))
	}
	return nil
}

// Close closes the sockets. Run does so itself.
func (s *Supervisor) Close() { s.sockets.close() }

// Set says what the child should run with from now on; the first call starts
// it. It never waits: of calls that come faster than they can be acted on, the
// newest counts.
func (s *Supervisor) Set(u Update) {
	s.mu.Lock()
	if before := s.pending; before != nil {
		u.FilesChanged = u.FilesChanged || before.FilesChanged
		u.Restart = u.Restart || before.Restart
	}
	s.pending = &u
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Signal gives a signal to the child in charge: those that terminals send to
// its whole group (INT, QUIT, TSTP, CONT, WINCH), others to its first process.
// Where the command is a script, that is its shell, which passes on nothing:
// "exec" before the script's last command helps. It is ErrNoChild when none
// runs.
func (s *Supervisor) Signal(sig os.Signal) error {
	number, ok := sig.(syscall.Signal)
	s.mu.Lock()
	p := s.current
	s.mu.Unlock()
	switch {
	case p == nil:
		return ErrNoChild
	case !ok:
		return fmt.Errorf("%s is no signal of this system", sig)
	case forGroup(number):
		p.signalGroup(number)
		return nil
	}
	if err := p.signal(number); errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH) {
		return ErrNoChild
	} else if err != nil {
		return fmt.Errorf("signalling the child (process %d): %w", p.pid, err)
	}
	return nil
}

// Run runs the child from the first Set on, until ctx ends (nil: it was stopped)
// or it ends by itself (an *ExitError with its code; also when it could not be
// started). Meanwhile this process adopts and reaps the orphans of its
// descendants. When Run returns nothing that it started is left: whatever was
// re-parented to this process is ended, too, in its group or not. It may be
// called once.
func (s *Supervisor) Run(ctx context.Context) error {
	defer s.sockets.close()
	undo, err := Subreaper()
	if err != nil {
		s.o.Log.Warn("daemons that the child may leave behind will not be found", "error", err)
	} else {
		defer func() { _ = undo() }()
	}
	r := newRun(s)
	reaping, stop := context.WithCancel(context.WithoutCancel(ctx))
	var side sync.WaitGroup
	side.Go(func() { r.reaper.run(reaping) })
	side.Go(func() { r.terminal.follow(reaping) })
	result := r.loop(ctx)
	r.endAll(result)
	stop()
	side.Wait()
	return result
}

// owns says whether a process is a child that Run started.
func (s *Supervisor) owns(pid int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running[pid]
}

// newest takes what Set left.
func (s *Supervisor) newest() *Update {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.pending
	s.pending = nil
	return u
}

// setCurrent says whom signals are for.
func (s *Supervisor) setCurrent(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = p
}

func (s *Supervisor) setRunning(pid int, runs bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if runs {
		s.running[pid] = true
	} else {
		delete(s.running, pid)
	}
}

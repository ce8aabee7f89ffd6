package child

import (
	"context"
	"errors"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vault-renderer/renderer/internal/lease"
)

// run is the state of one Run. Its goroutine alone uses it; others tell it what
// happened.
type run struct {
	*Supervisor
	reaper   *reaper
	terminal *terminal
	ended    chan *process
	verdicts chan verdict
	done     chan struct{} // closed when no verdict interests any more
	looks    sync.WaitGroup

	want    Update
	begun   bool   // there was an Update
	counter uint64 // of versions
	version uint64 // of what is wanted; a process with another one is outdated
	forced  bool   // the version is new whatever the environment says
	files   uint64 // version of the files

	current   *process // the one in charge
	candidate *process // Rolling: to be the next
	leaving   map[*process]bool
	stale     uint64 // the last version that Never reported

	timer    *time.Timer
	due      time.Time // of timer; zero: nothing is
	notYet   time.Time // no child is started before, unless a change comes
	ran      bool      // a child was started
	restarts int
	backoff  lease.Backoff // between restarts of a child that ends at once
	again    lease.Backoff // between candidates
}

// verdict says whether a process is ready.
type verdict struct {
	of  *process
	err error
}

func newRun(s *Supervisor) *run {
	r := &run{
		Supervisor: s, reaper: newReaper(s.owns), terminal: foreground(s.o.Stdin),
		ended: make(chan *process), verdicts: make(chan verdict), done: make(chan struct{}),
		leaving: map[*process]bool{},
		timer:   time.NewTimer(time.Hour),
	}
	r.timer.Stop()
	r.backoff = lease.Backoff{Min: s.o.BackoffMin, Max: s.o.BackoffMax, Rand: s.o.Rand}
	r.again = r.backoff
	return r
}

// loop runs until ctx ends or there is nothing more to run.
func (r *run) loop(ctx context.Context) error {
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
			err = r.take(r.newest())
		case p := <-r.ended:
			err = r.gone(p)
		case v := <-r.verdicts:
			err = r.judged(v)
		case <-r.timer.C:
			err = r.act()
		}
		if ctx.Err() != nil {
			return nil // we were told to end: what the child makes of it is no news
		}
		if err != nil {
			return err
		}
	}
}

// take takes an Update. The first one is acted on at once: the child has waited
// for its secrets long enough.
func (r *run) take(u *Update) error {
	if u == nil {
		return nil
	}
	if err := CheckEnv(u.Env); err != nil {
		r.refuse(nil, u.Generation, err)
		return nil
	}
	u.Env = canonical(u.Env)
	before := r.version
	r.renumber(u)
	r.want = *u
	if r.version != before || r.o.Restart == Rolling {
		r.notYet = time.Time{}
	}
	if u.FilesChanged {
		r.files++
	}
	if !r.begun || r.o.Splay <= 0 {
		r.begun = true
		return r.act()
	}
	r.actIn(time.Duration(r.o.Rand() * float64(r.o.Splay)))
	return nil
}

// renumber gives what is wanted a new version where that differs from what is
// running, and that one's where it does not.
func (r *run) renumber(u *Update) {
	r.forced = r.forced || u.Restart
	switch {
	case u.Restart, !r.begun:
	case !r.forced && r.current != nil && slices.Equal(u.Env, r.current.env):
		r.version = r.current.version
		return
	case slices.Equal(u.Env, r.want.Env):
		return
	}
	r.counter++
	r.version = r.counter
	r.again.Reset()
}

// actIn has act called after d, or sooner if that was planned.
func (r *run) actIn(d time.Duration) {
	due := time.Now().Add(d)
	if !r.due.IsZero() && r.due.Before(due) {
		return
	}
	r.due = due
	r.timer.Reset(d)
}

// act does what is to be done next, seen from how things are now.
func (r *run) act() error {
	r.timer.Stop()
	r.due = time.Time{}
	switch {
	case !r.begun:
		return nil
	case r.current == nil:
		if r.tooEarly() {
			return nil
		}
		return r.begin()
	case r.current.asked:
		return nil // when it has ended it goes on
	case r.current.version == r.version:
		r.dropCandidate() // of a change that was taken back
		r.reload()
		return nil
	}
	switch r.o.Restart {
	case Never:
		r.keep()
	case Rolling:
		r.roll()
	default:
		r.replace()
	}
	return nil
}

// tooEarly says whether a backoff is on, and has act called after it.
func (r *run) tooEarly() bool {
	wait := time.Until(r.notYet)
	if wait > 0 {
		r.actIn(wait)
	}
	return wait > 0
}

// notFor has act called after a backoff.
func (r *run) notFor(d time.Duration) {
	r.notYet = time.Now().Add(d)
	r.actIn(d)
}

// begin starts a child where none is. A first one that can't be started is the
// end; one that was to be restarted is tried again.
func (r *run) begin() error {
	first := !r.ran
	p, err := r.start()
	if err != nil && (first || r.restarts >= r.o.MaxRestarts) {
		r.tell(Event{Kind: Refused, Generation: r.want.Generation, Err: err}) // Run's error says it
		return err
	}
	if err != nil {
		r.refuse(nil, r.want.Generation, err)
		r.startAgain()
		return nil
	}
	p.restart, r.ran = !first, true
	r.charge(p)
	r.terminal.lend(p.pid)
	if r.o.Ready == nil {
		r.tell(Event{Kind: IsReady, PID: p.pid, Generation: p.generation})
	}
	return nil
}

// start starts a child with what is wanted, and has its readiness watched.
func (r *run) start() (*process, error) {
	p, err := r.launch(r.want, r.ended)
	if err != nil {
		return nil, err
	}
	r.setRunning(p.pid, true)
	p.version, p.files = r.version, r.files
	r.o.Log.Info("the child was started", "command", p.program.name, "pid", p.pid, "generation", p.generation)
	r.tell(Event{Kind: Started, PID: p.pid, Generation: p.generation})
	if r.o.Ready != nil {
		r.watch(p)
	}
	return p, nil
}

// watch looks whether a process is ready, until it is, or is gone.
func (r *run) watch(p *process) {
	ctx, quit := context.WithCancel(context.Background())
	p.quit = quit
	probe := p.probe(r.cred)
	r.looks.Go(func() {
		err := r.o.Ready.wait(ctx, probe)
		select {
		case r.verdicts <- verdict{of: p, err: err}:
		case <-ctx.Done():
		case <-r.done:
		}
	})
}

// charge puts a process in charge.
func (r *run) charge(p *process) {
	r.current, p.since, r.forced = p, time.Now(), false
	r.setCurrent(p)
}

// startAgain starts the next try after the backoff.
func (r *run) startAgain() {
	r.restarts++
	in := r.backoff.Next()
	r.o.Log.Warn("the child is started again", "in", in.Round(time.Millisecond), "attempt", r.restarts, "of", r.o.MaxRestarts)
	r.notFor(in)
}

// replace stops the child; when it has ended the next one begins.
func (r *run) replace() {
	if time.Since(r.current.since) >= r.o.Settle {
		r.restarts = 0
		r.backoff.Reset()
	}
	r.o.Log.Info("secrets have changed: the child is stopped and started again", "pid", r.current.pid)
	r.current.stop(r.politely())
}

func (r *run) politely() stopping { return stopping{signal: r.o.KillSignal, timeout: r.o.KillTimeout} }

// keep leaves the child with what it has, and says so once for each change.
func (r *run) keep() {
	if r.stale != r.version {
		r.stale = r.version
		r.o.Log.Warn("secrets have changed, but the child is never restarted: it keeps running with the old ones until somebody restarts it", "pid", r.current.pid)
		r.tell(Event{Kind: Stale, PID: r.current.pid, Generation: r.want.Generation})
	}
	r.reload()
}

// handlerPoll is how often it is looked whether a young child has come to where
// the reload signal does not kill it.
const handlerPoll = 50 * time.Millisecond

// reload tells the child that files have changed.
func (r *run) reload() {
	p, s := r.current, r.o.ReloadSignal
	if p.files == r.files {
		return
	}
	if s == 0 {
		p.files = r.files
		return
	}
	if !catches(p.pid, s) && time.Since(p.started) < r.o.Settle {
		r.actIn(handlerPoll)
		return
	}
	p.files = r.files
	if err := p.signal(s); err != nil {
		if !errors.Is(err, syscall.ESRCH) { // it has ended: that will be heard of
			r.refuse(p, r.want.Generation, err)
		}
		return
	}
	r.o.Log.Info("files have changed: the child was told", "pid", p.pid, "signal", unix.SignalName(s))
	r.tell(Event{Kind: Reloaded, PID: p.pid, Generation: r.want.Generation})
}

// refuse reports that a change is not in effect.
func (r *run) refuse(p *process, generation uint64, err error) {
	e := Event{Kind: Refused, Generation: generation, Err: err}
	if p != nil {
		e.PID = p.pid
	}
	still := "nothing runs"
	if r.current != nil {
		still = "the child before keeps running"
	}
	r.o.Log.Error("the child does not run with the newest secrets", "error", err, "still", still)
	r.tell(e)
}

func (r *run) tell(e Event) { r.o.Events(e) }

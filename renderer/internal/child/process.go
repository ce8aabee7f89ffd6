package child

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is one run of the child, in a process group of its own.
type process struct {
	program    *program
	cmd        *exec.Cmd
	pid        int // also the number of its group
	generation uint64
	env        []string // of the Update, canonical
	version    uint64   // of what it was started with
	files      uint64   // version of the files that it was started with or told of
	started    time.Time
	since      time.Time // when it became the one in charge
	restart    bool      // started because of a change, not as the first one
	notify     *listener // nil = it is not asked to say that it is ready
	quit       func()    // ends the looks at its readiness

	stopping sync.Once
	asked    bool          // whether we stop it; only Run's goroutine looks
	stopped  chan stopping // gets how, once
	dead     chan struct{} // closed when it has ended, and is not reaped yet
	release  chan struct{} // closed when its group is dealt with
	reaped   chan struct{} // closed when its number may be somebody else's

	signals sync.RWMutex // held for writing while it is reaped
	gone    bool
}

// stopping is how a process is asked to end.
type stopping struct {
	signal  syscall.Signal
	timeout time.Duration
}

// start starts the program, and a goroutine that gives the process to ended
// when it is gone with its whole group.
func (p *process) start(ended chan<- *process) error {
	p.stopped = make(chan stopping, 1)
	p.dead, p.release, p.reaped = make(chan struct{}), make(chan struct{}), make(chan struct{})
	result := make(chan error)
	go p.hold(result)
	if err := <-result; err != nil {
		return err
	}
	go func() {
		p.mind()
		close(p.release)
		<-p.reaped
		ended <- p
	}()
	return nil
}

// hold starts the program and stays in its thread until it is reaped: the
// kernel kills the child (PR_SET_PDEATHSIG) when that thread ends, not when this
// process does.
func (p *process) hold(result chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p.started = time.Now()
	err := p.cmd.Start()
	if err == nil {
		p.pid = p.cmd.Process.Pid
	}
	result <- err
	if err != nil {
		return
	}
	for err = unix.EINTR; err == unix.EINTR; { //nolint:errorlint // a bare errno
		err = unix.Waitid(unix.P_PID, p.pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
	}
	close(p.dead)
	<-p.release
	p.signals.Lock()
	_ = p.cmd.Wait() // what it ended with is in ProcessState
	p.gone = true
	p.signals.Unlock()
	close(p.reaped)
}

// mind waits until the child ends by itself or is stopped, and sees to it that
// nothing of its group outlives it. The child is a zombie meanwhile, so that the
// number of the group stays its own.
func (p *process) mind() {
	select {
	case <-p.dead:
		p.signalGroup(syscall.SIGKILL) // it is over: nobody is asked any more
		return
	case how := <-p.stopped:
		p.end(how)
	}
}

// end asks the whole group, and kills what is left of it at the time limit.
func (p *process) end(how stopping) {
	deadline := time.NewTimer(how.timeout)
	defer deadline.Stop()
	p.signalGroup(how.signal)
	p.signalGroup(syscall.SIGCONT) // who is stopped can't hear the other one
	tick := time.NewTicker(remainsPoll)
	defer tick.Stop()
	dead := p.dead
	for patience := 1; ; {
		select {
		case <-dead:
			dead = nil // from now on the tick decides
		case <-deadline.C:
			p.signalGroup(syscall.SIGKILL)
			<-p.dead
			return
		case <-tick.C:
		}
		if dead != nil {
			continue
		}
		if !groupLives(p.pid) {
			return
		}
		patience = min(patience*2, 16) // a look is a walk through all processes
		tick.Reset(time.Duration(patience) * remainsPoll)
	}
}

// stop asks the process to end, once, and returns at once.
func (p *process) stop(how stopping) {
	p.asked = true
	p.stopping.Do(func() { p.stopped <- how })
}

// signalGroup signals the group, and the child itself if it has left it.
func (p *process) signalGroup(s syscall.Signal) {
	p.signals.RLock()
	defer p.signals.RUnlock()
	if p.gone {
		return
	}
	_ = syscall.Kill(-p.pid, s)
	if group, err := unix.Getpgid(p.pid); err == nil && group != p.pid {
		_ = syscall.Kill(p.pid, s)
	}
}

// signal signals the child alone.
func (p *process) signal(s syscall.Signal) error {
	p.signals.RLock()
	defer p.signals.RUnlock()
	if p.gone {
		return os.ErrProcessDone
	}
	return syscall.Kill(p.pid, s)
}

// command prepares a run with env, the complete environment.
func (s *Supervisor) command(env []string) *exec.Cmd {
	cmd := &exec.Cmd{
		Path: s.program.path, Args: s.program.argv, Dir: s.o.Dir, Env: env,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: s.cred},
	}
	// A nil *os.File would be a reader that is not nil.
	if s.o.Stdin != nil {
		cmd.Stdin = s.o.Stdin
	}
	if s.o.Stdout != nil {
		cmd.Stdout = s.o.Stdout
	}
	if s.o.Stderr != nil {
		cmd.Stderr = s.o.Stderr
	}
	if len(s.sockets.files) > 0 {
		cmd.ExtraFiles = s.sockets.files
		throughTrampoline(cmd)
	}
	return cmd
}

// launch starts a child with what an Update wants.
func (s *Supervisor) launch(u Update, ended chan<- *process) (*process, error) {
	p := &process{program: s.program, generation: u.Generation, env: canonical(u.Env)}
	env := merge(s.base, u.Env)
	if r := s.o.Ready; r != nil && r.Notify {
		l, err := listen(s.uid())
		if err != nil {
			return nil, err
		}
		p.notify = l
		env = merge(env, []string{"NOTIFY_SOCKET=" + l.address()})
	}
	p.cmd = s.command(merge(env, s.sockets.environ()))
	if err := p.start(ended); err != nil {
		p.close()
		return nil, p.program.whyNot(err)
	}
	return p, nil
}

func (s *Supervisor) uid() uint32 {
	if s.cred != nil {
		return s.cred.Uid
	}
	return uint32(os.Geteuid())
}

// close closes what was kept for the process.
func (p *process) close() {
	if p.quit != nil {
		p.quit()
	}
	if p.notify != nil {
		p.notify.close()
	}
}

func (p *process) code() int { return codeOf(p.cmd.ProcessState) }

// probe is what a look at its readiness needs.
func (p *process) probe(cred *syscall.Credential) probe {
	a := probe{pid: p.pid, env: p.environ(), cred: cred, started: p.started}
	if p.notify != nil {
		a.said = p.notify.ready
	}
	return a
}

// environ is the child's environment without what is its alone.
func (p *process) environ() []string {
	return only(p.cmd.Env, func(name string) bool {
		return name != "NOTIFY_SOCKET" && !strings.HasPrefix(name, "LISTEN_FD")
	})
}

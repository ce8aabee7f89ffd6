package child

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// terminal is the one that we are in the foreground of, and that is lent to the
// child: it may read from it, and its keys send the child signals, once. When
// they stop the child (Ctrl-Z) we stop, too, so that the shell gets its terminal
// back.
type terminal struct {
	fd  int
	own int // our process group

	mu       sync.Mutex
	borrower int // the group it is lent to; 0 = nobody
}

// foreground gives the terminal behind a file; nil when it is none, or not ours
// to give away.
func foreground(f *os.File) *terminal {
	if f == nil {
		return nil
	}
	t := &terminal{fd: int(f.Fd()), own: unix.Getpgrp()}
	if group, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP); err != nil || group != t.own {
		return nil
	}
	return t
}

// lend puts a process group in the foreground. A member may have tried to read
// before, and been stopped for it.
func (t *terminal) lend(group int) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.borrower = group
	t.give(group)
	_ = syscall.Kill(-group, syscall.SIGCONT)
}

// back puts us in the foreground again.
func (t *terminal) back() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.borrower = 0
	t.give(t.own)
}

// give is done by a thread that ignores the signal by which the kernel stops
// whoever does it from the background.
func (t *terminal) give(group int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var block, before unix.Sigset_t
	block.Val[0] = 1 << (uint(syscall.SIGTTOU) - 1)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &block, &before); err != nil {
		return
	}
	_ = unix.IoctlSetPointerInt(t.fd, unix.TIOCSPGRP, group) // an error: it hung up
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
}

// follow stops this process whenever the borrower is stopped, until ctx ends.
func (t *terminal) follow(ctx context.Context) {
	if t == nil {
		return
	}
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGCHLD)
	defer signal.Stop(changed)
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			t.stopToo()
		}
	}
}

// stopToo gives the terminal back and stops this process's group, as the key
// would have done without us. It goes on when the shell continues us.
func (t *terminal) stopToo() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.borrower == 0 || !stopped(t.borrower) {
		return
	}
	t.give(t.own)
	_ = syscall.Kill(0, syscall.SIGSTOP)
	// Continued: in the foreground, by fg, or in the background, by bg. A child
	// in the background that reads is stopped again, and so are we.
	if group, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP); err == nil && group == t.own {
		t.give(t.borrower)
	}
	_ = syscall.Kill(-t.borrower, syscall.SIGCONT)
}

// stopped says whether a child was stopped since it was asked last.
func stopped(pid int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WNOHANG, nil)
	return err == nil && info.Signo != 0
}

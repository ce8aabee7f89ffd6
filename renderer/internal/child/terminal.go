package child

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// terminal is the one that we are in the foreground of, and that is lent to the
// child: it may read from it, and its keys send the child signals, once.
type terminal struct {
	fd  int
	own int // our process group
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
	t.give(group)
	_ = syscall.Kill(-group, syscall.SIGCONT)
}

// back puts us in the foreground again.
func (t *terminal) back() {
	if t != nil {
		t.give(t.own)
	}
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
	_ = unix.IoctlSetPointerInt(t.fd, unix.TIOCSPGRP, group) // gone: it hung up
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
}

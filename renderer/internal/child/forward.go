package child

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Forwardable are the signals that mean something to an application and nothing
// to this process's own workings. Left out are those about our own children,
// pipes and terminal (CHLD, PIPE, TTIN, TTOU), those that Go's runtime sends
// itself or gets for faults of our own (URG, PROF, SEGV, BUS, FPE, ILL, TRAP,
// SYS), those that C libraries use between threads (32 to 34), and KILL and
// STOP, which nobody can catch.
func Forwardable() []os.Signal {
	all := []os.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM,
		syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM, syscall.SIGVTALRM,
		syscall.SIGABRT, syscall.SIGCONT, syscall.SIGTSTP, syscall.SIGWINCH,
		syscall.SIGIO, syscall.SIGPWR, syscall.SIGSTKFLT, syscall.SIGXCPU, syscall.SIGXFSZ,
	}
	for n := 35; n <= 64; n++ { // real-time signals
		all = append(all, syscall.Signal(n))
	}
	return all
}

// Forward gives every forwardable signal that this process gets to f, in a
// goroutine of its own, until ctx ends; wait returns when that one has ended.
// None is missed once Forward has returned: call it before the child is started.
// Which of them stop or reload this process instead is the decision of f.
func Forward(ctx context.Context, f func(os.Signal)) (wait func()) {
	got := make(chan os.Signal, 64)
	signal.Notify(got, Forwardable()...)
	var running sync.WaitGroup
	running.Go(func() {
		defer signal.Stop(got)
		for {
			select {
			case <-ctx.Done():
				return
			case s := <-got:
				f(s)
			}
		}
	})
	return running.Wait
}

// forGroup says whether a signal is one that terminals send to the whole
// foreground group: so it goes to the whole group of the child, too.
func forGroup(s syscall.Signal) bool {
	switch s {
	case syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGCONT, syscall.SIGWINCH:
		return true
	}
	return false
}

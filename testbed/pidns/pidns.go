// Package pidns runs a program as PID 1 of a PID namespace of its own, with a
// /proc that shows no others: as the first program of a container, without one.
package pidns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// enterName is argv[0] of a test binary that is to become the program.
const enterName = "pidns: enter"

// Enter must be the first thing that TestMain does, with os.Args: it becomes the
// program when this process is the start of one, and returns otherwise. The
// numbers of the exit codes are none that programs under test use.
func Enter(args []string) {
	if len(args) < 3 || args[0] != enterName {
		return
	}
	err := errors.Join(
		syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
		syscall.Mount("proc", "/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, ""),
	)
	if err == nil {
		err = syscall.Exec(args[1], args[2:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, "entering a PID namespace:", err)
	os.Exit(enterFailed)
}

const enterFailed = 201

// Kind says how a program runs.
type Kind string

// How a program runs: Subreaper is what every machine permits.
const (
	Root      Kind = "PID 1 of a namespace made by root"
	User      Kind = "PID 1 of a namespace made in a user namespace"
	Subreaper Kind = "ordinary process"
)

// Permitted tries what the machine permits.
func Permitted(ctx context.Context) Kind {
	for _, k := range []Kind{Root, User} {
		cmd := exec.CommandContext(ctx, "/bin/true")
		k.prepare(cmd)
		if cmd.Run() == nil {
			return k
		}
	}
	return Subreaper
}

// prepare makes cmd start in a namespace. The process that it starts is the one
// that the program will be: its number, seen from here, is the program's.
func (k Kind) prepare(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if k == Subreaper {
		return
	}
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS
	if k == User {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	cmd.Args = append([]string{enterName, cmd.Path}, cmd.Args...)
	cmd.Path = "/proc/self/exe"
}

// Start starts cmd as k says, tied to this process: the kernel kills it with
// us, and a PID 1 takes its namespace along. done gets what Wait gives, once.
func (k Kind) Start(cmd *exec.Cmd) (done <-chan error, err error) {
	k.prepare(cmd)
	cmd.WaitDelay = 5 * time.Second
	started, ended := make(chan error), make(chan error, 1)
	go func() {
		// The kernel ties the child to the thread that starts it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	return ended, <-started
}

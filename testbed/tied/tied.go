// Package tied starts programs that end with the program that started them,
// even when that one is killed. It decides nothing about how they are stopped
// otherwise.
package tied

import (
	"os/exec"
	"runtime"
	"syscall"
)

// Start starts cmd, in a process group of its own (Ctrl-C is for us, who stop
// our children in order), so that the kernel kills it when this process ends.
// after, if not nil, gets Wait's error when the program has ended, before done
// is closed.
//
// The parent-death signal is tied to the thread that started the child, not to
// the process: one goroutine holds its thread for the child's whole life.
func Start(cmd *exec.Cmd, after func(error)) (done <-chan struct{}, err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	ended := make(chan struct{})
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		err = cmd.Wait()
		if after != nil {
			after(err)
		}
		close(ended)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return ended, nil
}

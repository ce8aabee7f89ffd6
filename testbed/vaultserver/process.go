package vaultserver

import (
	"errors"
	"io"
	"os/exec"
	"syscall"
	"time"

	"vault-renderer/testbed/tied"
)

// process is one run of the server.
type process struct {
	cmd  *exec.Cmd
	done <-chan struct{} // closed when it was reaped
	err  error           // set before done is closed
}

// startProcess starts a command that the kernel kills when this process dies.
func startProcess(path string, args, env []string, dir string, log io.Writer) (*process, error) {
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Dir = env, dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.WaitDelay = 5 * time.Second

	p := &process{cmd: cmd}
	var err error
	p.done, err = tied.Start(cmd, func(err error) { p.err = err })
	return p, err
}

func (p *process) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop sends sig and waits until the process was reaped; after grace it kills.
func (p *process) stop(sig syscall.Signal, grace time.Duration) {
	if p.exited() {
		return
	}
	p.signal(sig)
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-p.done:
	case <-t.C:
		p.signal(syscall.SIGKILL)
		<-p.done
	}
}

func (p *process) signal(sig syscall.Signal) {
	// os.Process knows whether it was reaped, so this never hits a reused pid.
	_ = p.cmd.Process.Signal(sig)
}

var errExited = errors.New("the server ended")

package mariadb

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"vault-renderer/testbed/tied"
)

// stopTimeout is how long an orderly shutdown may take before it is forced.
const stopTimeout = 15 * time.Second

// process is one run of the server; nil stands for "never started".
type process struct {
	cmd  *exec.Cmd
	done <-chan struct{} // closed when the process has been waited for
}

// startProcess starts the server so that the kernel kills it when we die.
func startProcess(binary string, args []string, log io.Writer) (*process, error) {
	p := &process{cmd: exec.Command(binary, args...)}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.WaitDelay = time.Second
	var err error
	p.done, err = tied.Start(p.cmd, nil) // how it ended is in the log
	return p, err
}

func (p *process) stop() error {
	if p == nil {
		return nil
	}
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(stopTimeout):
		return errors.Join(fmt.Errorf("mariadb: no orderly shutdown within %v, killed", stopTimeout), p.kill())
	}
}

func (p *process) kill() error {
	if p == nil {
		return nil
	}
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	return nil
}

func (p *process) signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("mariadb: signal the server: %w", err)
	}
	return nil
}

// tail passes the log on and keeps its end for error messages.
type tail struct {
	mu   sync.Mutex
	next io.Writer
	end  []byte
}

const tailBytes = 4096

func newTail(next io.Writer) *tail {
	if next == nil {
		next = io.Discard
	}
	return &tail{next: next}
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, p...)
	if extra := len(t.end) - tailBytes; extra > 0 {
		t.end = t.end[extra:]
	}
	// A full disk or closed pipe behind next must not stop the server.
	_, _ = t.next.Write(p)
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.end)
}

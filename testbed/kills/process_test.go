package kills

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"vault-renderer/testbed/capture"
	"vault-renderer/testbed/tied"
)

// process is a program under test.
type process struct {
	cmd  *exec.Cmd
	done <-chan struct{}
}

func run(dir string, log *capture.Buffer, path string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(path, args...)}
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = log, log
	for _, kv := range os.Environ() {
		if len(kv) < 6 || kv[:6] != "VAULT_" {
			p.cmd.Env = append(p.cmd.Env, kv)
		}
	}
	var err error
	p.done, err = tied.Start(p.cmd, nil)
	return p, err
}

func (p *process) name() string { return filepath.Base(p.cmd.Path) }

// kill sends SIGKILL; it does not wait.
func (p *process) kill() { _ = p.cmd.Process.Kill() }

// killed waits for the end and says whether it was our SIGKILL that brought it.
func (p *process) killed() bool {
	<-p.done
	w, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && w.Signaled() && w.Signal() == syscall.SIGKILL
}

// end stops a program with SIGTERM; its error says that it did not end well, or
// not in time.
func (p *process) end() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.kill()
		<-p.done
		return fmt.Errorf("%s did not stop", p.name())
	}
	if c := p.cmd.ProcessState.ExitCode(); c != 0 {
		return fmt.Errorf("%s ended with %s", p.name(), p.cmd.ProcessState)
	}
	return nil
}

// eventually waits for a condition, with a deadline.
func eventually(t *testing.T, what string, within time.Duration, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(within)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

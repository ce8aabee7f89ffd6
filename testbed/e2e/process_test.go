package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vault-renderer/testbed/capture"
	"vault-renderer/testbed/tied"
)

// process is a program under test with what it wrote.
type process struct {
	name string
	cmd  *exec.Cmd
	log  *capture.Buffer
	done <-chan struct{}
}

// run starts a program in the rig's directory. A program that is started again
// goes on in the log of the one before.
func (r *rig) run(before *process, path string, args []string, env ...string) *process {
	r.t.Helper()
	argv := append(append([]string{}, r.inside...), append([]string{path}, args...)...)
	p := &process{name: filepath.Base(path), cmd: exec.Command(argv[0], argv[1:]...), log: &capture.Buffer{}}
	if before != nil {
		p.log = before.log
	}
	p.cmd.Dir = r.dir
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	var err error
	if p.done, err = tied.Start(p.cmd, nil); err != nil {
		r.t.Fatal(err)
	}
	return p
}

// end stops a program with SIGTERM and says whether it ended well and in time.
func (p *process) end() error {
	if p.gone() {
		return p.how()
	}
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.kill()
		return fmt.Errorf("%s did not stop", p.name)
	}
	return p.how()
}

// how says how a program ended, if not as it should have.
func (p *process) how() error {
	if st := p.cmd.ProcessState; !st.Success() && st.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		return fmt.Errorf("%s ended with %s", p.name, st)
	}
	return nil
}

// kill ends a program as a crash would, and waits for its end.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

func (p *process) gone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// said counts how often a text is in the log.
func (p *process) said(text string) int { return strings.Count(p.log.String(), text) }

func (p *process) tail() string {
	if p == nil {
		return ""
	}
	s := p.log.String()
	if len(s) > 8000 {
		s = "..." + s[len(s)-8000:]
	}
	return s
}

// rss is a process's resident memory in KiB.
func rss(t *testing.T, p *process) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

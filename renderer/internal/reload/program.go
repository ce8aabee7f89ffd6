package reload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var (
	errTimeout   = errors.New("time limit")
	errNoProgram = errors.New("no program is named")
)

// program is one run of a program, in a process group of its own. Its errors
// say nothing of its arguments.
type program struct {
	argv    []string
	env     []string // complete; nil = the process's own without VAULT_TOKEN
	stdout  io.Writer
	stderr  io.Writer
	timeout time.Duration // of run; then the whole group is killed
	alone   bool          // whatever it leaves running is killed when it ends
}

// run waits for the program. It gives exec.ErrWaitDelay when the program ended
// well but something it left behind still holds its output open.
func (p *program) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, errTimeout)
	defer cancel()
	err := p.wait(ctx)
	switch {
	case err == nil:
		return nil
	case context.Cause(ctx) == errTimeout:
		return fmt.Errorf("still running after %s: killed", p.timeout)
	case ctx.Err() != nil:
		return fmt.Errorf("stopped: %w", context.Cause(ctx))
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &exitError{exit.ProcessState}
	}
	return notStarted(err)
}

// notStarted takes the name of the program from an error: the caller has it.
func notStarted(err error) error {
	var path *fs.PathError
	var lookup *exec.Error
	switch {
	case errors.As(err, &path) && path.Op == "fork/exec":
		return path.Err
	case errors.As(err, &lookup):
		return lookup.Err
	}
	return err
}

// exitError says how a program ended that did not succeed.
type exitError struct{ *os.ProcessState }

// Error implements error.
func (e *exitError) Error() string { return e.String() }

func (p *program) wait(ctx context.Context) error {
	cmd, err := p.command(ctx)
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if p.alone {
		killRest(cmd.Process.Pid)
	}
	return cmd.Wait()
}

// killRest waits until the leader of a process group has ended, and kills the
// others. The leader is not reaped yet then, so that the number of the group
// can't be anybody else's.
func killRest(pid int) {
	err := error(unix.EINTR)
	for errors.Is(err, unix.EINTR) {
		err = unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
	}
	if err == nil {
		_ = syscall.Kill(-pid, syscall.SIGKILL) // nobody there: as it should be
	}
}

// start runs the program and does not wait: its exit status interests nobody,
// but its remains are taken away.
func (p *program) start() error {
	cmd, err := p.command(context.Background())
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return notStarted(err)
	}
	go func() { _ = cmd.Wait() }()
	return nil
}

func (p *program) command(ctx context.Context) (*exec.Cmd, error) {
	if len(p.argv) == 0 || p.argv[0] == "" {
		return nil, errNoProgram
	}
	cmd := exec.CommandContext(ctx, p.argv[0], p.argv[1:]...)
	cmd.Env = p.env
	if cmd.Env == nil {
		cmd.Env = Environ(nil)
	}
	cmd.Stdout, cmd.Stderr = p.stdout, p.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // a grandchild may hold the output open
	return cmd, nil
}

// shell gives the arguments that are run for those of a configuration: a
// single one with blanks is a script for sh, and args are its "$1" and so on.
func shell(argv []string, args ...string) []string {
	if !isScript(argv) {
		return argv
	}
	out := []string{"sh", "-c", argv[0]}
	if len(args) > 0 {
		out = append(append(out, "sh"), args...)
	}
	return out
}

func isScript(argv []string) bool {
	return len(argv) == 1 && strings.ContainsAny(strings.TrimSpace(argv[0]), " \t\n")
}

// programName is what people know a command by: its first word, unless that is
// an assignment, which may say more than a log should hold.
func programName(argv []string) string {
	switch {
	case len(argv) == 0:
		return "(none)"
	case !isScript(argv):
		return strings.TrimSpace(argv[0])
	}
	word := strings.Fields(argv[0])[0]
	if strings.Contains(word, "=") {
		return "sh"
	}
	return strings.TrimRight(word, ";")
}

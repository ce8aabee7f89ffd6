// Package reload tells an application that its files changed: by a command or
// by a signal. One Run is one try: retries, and deciding when to run, are the
// caller's. It never reads the files and hands no secret to anybody.
package reload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Hook tells the application once.
type Hook interface {
	// Run ends with the hook, with ctx or with the hook's own time limit.
	Run(ctx context.Context) error
	// Key is equal for hooks that do the same: those run once per change.
	Key() string
	// String names the hook for people.
	String() string
}

// Command is a hook that runs a program, as Vault Agent's exec and command do.
type Command struct {
	Argv    []string      // one element with blanks runs through sh -c
	Timeout time.Duration // then the whole process group is killed; 0 = started and not awaited
	Env     []string      // complete; nil = the process's own without VAULT_TOKEN
	Stdout  io.Writer     // *os.File is inherited as it is
	Stderr  io.Writer
}

// Key implements Hook.
func (c *Command) Key() string { return "command\x00" + strings.Join(c.Argv, "\x00") }

// String implements Hook: the program, not its arguments, which may say more
// than a log should hold.
func (c *Command) String() string {
	word, _, _ := strings.Cut(strings.TrimSpace(c.Argv[0]), " ")
	return "command " + word
}

// Run implements Hook.
func (c *Command) Run(ctx context.Context) error {
	if c.Timeout == 0 {
		return c.start()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, errTimeout)
	defer cancel()
	cmd := c.command(ctx)
	err := cmd.Run()
	switch {
	case err == nil:
		return nil
	case context.Cause(ctx) == errTimeout:
		return fmt.Errorf("%s: still running after %s: killed", c, c.Timeout)
	case ctx.Err() != nil:
		return fmt.Errorf("%s: stopped: %w", c, context.Cause(ctx))
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("%s: %s", c, exit.ProcessState)
	}
	return fmt.Errorf("%s: %w", c, err)
}

var errTimeout = errors.New("time limit")

// start runs the command and does not wait: its exit status interests nobody,
// but its remains are taken away.
func (c *Command) start() error {
	cmd := c.command(context.Background())
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	go func() { _ = cmd.Wait() }()
	return nil
}

func (c *Command) command(ctx context.Context) *exec.Cmd {
	argv := c.Argv
	if len(argv) == 1 && strings.ContainsAny(strings.TrimSpace(argv[0]), " \t\n") {
		argv = []string{"sh", "-c", argv[0]}
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = c.Env
	if cmd.Env == nil {
		cmd.Env = Environ(nil)
	}
	cmd.Stdout, cmd.Stderr = c.Stdout, c.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // a grandchild may hold the output open
	return cmd
}

// Environ is the process's environment for a hook: without the token that the
// agent itself may have been given, and with set instead of what is there.
func Environ(set map[string]string) []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		_, replaced := set[name]
		return name == "VAULT_TOKEN" || replaced
	})
	names := make([]string, 0, len(set))
	for n := range set {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		env = append(env, n+"="+set[n])
	}
	return env
}

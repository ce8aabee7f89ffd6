package reload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

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
func (c *Command) String() string { return "command " + programName(c.Argv) }

// Run implements Hook.
func (c *Command) Run(ctx context.Context) error { return c.run(ctx, c.Env) }

// RunFor implements GenerationHook: the command finds g in its environment.
func (c *Command) RunFor(ctx context.Context, g Generation) error {
	return c.run(ctx, g.environ(c.Env))
}

func (c *Command) run(ctx context.Context, env []string) error {
	p := &program{argv: shell(c.Argv), env: env, stdout: c.Stdout, stderr: c.Stderr, timeout: c.Timeout}
	if c.Timeout == 0 {
		return named(c, p.start())
	}
	err := p.run(ctx)
	if errors.Is(err, exec.ErrWaitDelay) {
		return nil // it succeeded, and left a process behind that may be meant to stay
	}
	return named(c, err)
}

// named puts the name of what failed before an error.
func named(who fmt.Stringer, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", who, err)
}

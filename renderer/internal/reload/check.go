package reload

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// checkTime is how long a check may run when nothing else is said.
const checkTime = 30 * time.Second

// Check is a command that looks at the staged files of a generation before any
// of them is put in place.
type Check struct {
	// Argv is the command. An element {} stands for the paths of all staged
	// files, one argument each, and an element {/etc/app/x.ini} for the staged
	// path of that destination. A single element with blanks is a script for
	// sh, with the staged paths as its arguments: "$1", "$@".
	Argv    []string
	Timeout time.Duration // then it is killed with all its children; 0 = 30 s
	Env     []string      // complete; nil = the process's own without VAULT_TOKEN
	// Mask hides secrets in the output; nil = the output is not shown. It has to
	// know the lines of values with several lines, too.
	Mask func(string) string
}

// CheckError says that a check refused the files, or did not come to an end.
type CheckError struct {
	Summary string // one line: which command, how it ended
	Output  string // the last lines of its output, at most 8 KiB, masked; may be ""
}

// Error implements error: the summary, without the output.
func (e *CheckError) Error() string { return e.Summary }

// String names the check for people: the program without its arguments.
func (c *Check) String() string { return "check " + programName(c.Argv) }

// Run returns nil when the command takes the staged files of g. Otherwise it
// gives a *CheckError, or another error when ctx ended. Nothing that the command
// started in its process group lives on.
func (c *Check) Run(ctx context.Context, g Generation) error {
	argv, err := c.argv(g)
	if err != nil {
		return &CheckError{Summary: named(c, err).Error()}
	}
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = checkTime
	}
	out, err := look(ctx, &program{argv: argv, env: g.environ(c.Env), timeout: timeout}, c.Mask)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: stopped: %w", c, context.Cause(ctx))
	}
	return &CheckError{Summary: named(c, err).Error(), Output: out}
}

// look runs a program that is to leave nothing behind, and gives the end of its
// output.
func look(ctx context.Context, p *program, mask func(string) string) (output string, err error) {
	var t tail
	p.stdout, p.stderr, p.alone = &t, &t, true // the same: written to by one goroutine
	var exit *exitError
	err = p.run(ctx)
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // what holds the output has left the group: a daemon
	}
	return t.shown(mask, err == nil || errors.As(err, &exit) && exit.Exited()), err
}

// argv puts the staged paths into the command.
func (c *Check) argv(g Generation) ([]string, error) {
	if isScript(c.Argv) {
		return shell(c.Argv, g.staged()...), nil
	}
	out := make([]string, 0, len(c.Argv)+len(g.Files))
	for _, a := range c.Argv {
		if a == "{}" {
			out = append(out, g.staged()...)
			continue
		}
		if name, ok := inBraces(a); ok {
			f, err := g.file(name)
			switch {
			case err == nil:
				a = f.Staged
			case strings.HasPrefix(name, "/"):
				return nil, err
			}
		}
		out = append(out, a)
	}
	return out, nil
}

func inBraces(a string) (inner string, ok bool) {
	inner, begins := strings.CutPrefix(a, "{")
	inner, ends := strings.CutSuffix(inner, "}")
	return inner, begins && ends
}

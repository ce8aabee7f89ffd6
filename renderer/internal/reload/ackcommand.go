package reload

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// AckCommand runs a command that finds out whether the application uses a
// generation, which is in its environment. Exit status 0 is the confirmation,
// anything else means not yet.
type AckCommand struct {
	Argv     []string            // one element with blanks runs through sh -c
	Env      []string            // complete; nil = the process's own without VAULT_TOKEN
	Interval time.Duration       // between looks; 0 = 250 ms
	Look     time.Duration       // limit of one look, then it is killed with its children; 0 = 5 s
	Mask     func(string) string // hides secrets in the output; nil = it is not shown
}

// String implements Acker: the program without its arguments.
func (a *AckCommand) String() string { return "ack command " + programName(a.Argv) }

// Wait implements Acker.
func (a *AckCommand) Wait(ctx context.Context, g Generation) error {
	what := fmt.Sprintf("generation %d", g.N)
	return poll(ctx, a, what, a.Interval, func(ctx context.Context) error {
		p := &program{argv: shell(a.Argv), env: g.environ(a.Env), timeout: cmp.Or(a.Look, ackLook)}
		output, err := look(ctx, p, a.Mask)
		if line := lastLine(output); err != nil && line != "" {
			return fmt.Errorf("%w: %s", err, line)
		}
		return err
	})
}

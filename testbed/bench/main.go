// Command bench measures vault-renderer beside a plain Go client and Vault
// Agent: same machine, same real Vault, same run, the contenders in turn. It
// says how its figures relate to the project's targets; it is no test, and
// misses fail it only with -strict.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"vault-renderer/testbed/pidns"
)

// options are the command's flags.
type options struct {
	n        int
	runs     int
	steady   time.Duration
	steadyN  int
	agent    bool
	strict   bool
	short    bool
	jsonFile string
	renderer string
	keep     bool
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.IntVar(&o.n, "n", 1000, "`number` of templates, each with a secret of its own")
	set.IntVar(&o.runs, "runs", 5, "`number` of timed runs of each contender")
	set.DurationVar(&o.steady, "steady", 20*time.Second, "how long the steady state is watched; 0 leaves it out")
	set.IntVar(&o.steadyN, "steady-n", 200, "`number` of secrets that are read every second in the steady state")
	set.BoolVar(&o.agent, "agent", true, "measure Vault Agent too")
	set.BoolVar(&o.strict, "strict", false, "exit with 1 when a target is missed")
	set.BoolVar(&o.short, "short", false, "less than a minute: 200 templates, 2 runs, 5 s of steady state, without Vault Agent")
	set.StringVar(&o.jsonFile, "json", "", "also write the figures to this `file`")
	set.StringVar(&o.renderer, "renderer", "", "measure this `binary` instead of building one")
	set.BoolVar(&o.keep, "keep", false, "leave the working directory behind and print its path")
	if err := set.Parse(args); err != nil {
		return o, err
	}
	if set.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", set.Arg(0))
	}
	if o.short {
		o.n, o.runs, o.steady, o.agent = 200, 2, 5*time.Second, false
	}
	if o.n < 1 || o.n > 9999 || o.runs < 1 || o.steadyN < 1 || o.steadyN > 9999 {
		return o, fmt.Errorf("-n and -steady-n must be between 1 and 9999, -runs at least 1")
	}
	return o, nil
}

func main() {
	pidns.Enter(os.Args)
	o, err := parse(os.Args[1:], os.Stderr)
	if err == flag.ErrHelp {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	rep, err := bench(ctx, o, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		os.Exit(1)
	}
	rep.table(os.Stdout)
	if o.jsonFile != "" {
		if err := rep.writeJSON(o.jsonFile); err != nil {
			fmt.Fprintln(os.Stderr, "bench: error:", err)
			os.Exit(1)
		}
	}
	if o.strict && rep.missed() > 0 {
		os.Exit(1)
	}
}

// bench runs everything and gives the figures.
func bench(ctx context.Context, o options, progress io.Writer) (*report, error) {
	b, err := newRig(ctx, o, progress)
	if err != nil {
		return nil, err
	}
	defer b.close()
	rep, err := b.newReport(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range []int{o.n, 1} {
		runs := o.runs
		if n == 1 {
			runs *= 10 // they are short
		}
		if err := b.oneShot(ctx, rep, n, runs); err != nil {
			return nil, err
		}
	}
	if o.steady > 0 {
		if err := b.steady(ctx, rep); err != nil {
			return nil, err
		}
	}
	if err := b.supervisor(ctx, rep); err != nil {
		return nil, err
	}
	if err := b.templates(ctx, rep); err != nil {
		return nil, err
	}
	if err := b.fleet(ctx, rep); err != nil {
		return nil, err
	}
	return rep, b.sizes(rep)
}

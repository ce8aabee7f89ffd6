package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/report"
	"vault-renderer/renderer/internal/status"
)

const statusUsage = `Usage: vault-renderer status -config=FILE [options]
       vault-renderer status -address=ADDRESS [options]

Asks a running agent how it is, at the address in its configuration's status
block: what binds which secret, what happens to it next and when, how far each
rollout is, and why anything is not as it should be. No secret is shown.

    $ vault-renderer status -config=agent.hcl
    $ vault-renderer status -address=unix:///run/vault-renderer/status.sock -json
    $ vault-renderer status -config=agent.hcl -ready -wait=30s

With -ready the exit code alone tells whether everything is well, for HEALTHCHECK
of Docker and readiness probes; with -placed whether all files are in place,
acknowledged or not, for ExecStartPre= of systemd and startup probes: what starts
after that can't have acknowledged anything. With -wait it waits until it is so.

Exit codes: 0 answered, and with -ready, -placed or -wait it is so; 1 it is not;
2 wrong options, or nobody answers.

`

// The exit codes of status.
const (
	notReady = 1
	noStatus = 2
)

// statusFlags are the options of the status command.
type statusFlags struct {
	config        paths
	address       string
	strict        bool
	asJSON, ready bool
	placed        bool
	wait          time.Duration
}

func runStatus(args []string, stdout, stderr io.Writer) int {
	f := &statusFlags{}
	err := f.parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = f.find()
	}
	var c *status.Client
	if err == nil {
		c, err = status.NewClient(f.address)
	}
	if err != nil {
		report.Error(stderr, err)
		return noStatus
	}
	defer c.Close()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return f.show(ctx, c, stdout, stderr)
}

func (f *statusFlags) parse(args []string, stdout io.Writer) error {
	set := flag.NewFlagSet("vault-renderer status", flag.ContinueOnError)
	set.Var(&f.config, "config", "the agent's configuration `file` or directory; may be given several times")
	set.StringVar(&f.address, "address", "", "the `address` itself: unix:///path/of/socket, or host:port")
	set.BoolVar(&f.strict, "strict", false, "read the configuration as the agent does with this flag")
	set.BoolVar(&f.asJSON, "json", false, "the agent's answer as JSON")
	set.BoolVar(&f.ready, "ready", false, "print \"ready\" or the reasons why not, and end with 0 or 1")
	set.BoolVar(&f.placed, "placed", false, "end with 0 when all files are in place, acknowledged or not, else with 1")
	set.DurationVar(&f.wait, "wait", 0, "ask again and again until it is ready, for this `time` at most")
	groups := []group{{"Options", []string{"config", "address", "json", "ready", "placed", "wait", "strict"}}}
	if err := parse(set, args, stdout, statusUsage, groups); err != nil {
		return err
	}
	switch {
	case len(f.config) == 0 && f.address == "":
		return report.WithHint(errors.New("nobody to ask is given"), "name the agent's configuration with -config=FILE, or its status address with -address=ADDRESS")
	case f.ready && f.placed:
		return errors.New("-ready and -placed can't both be asked for")
	case f.wait < 0:
		return errors.New("-wait is below zero")
	}
	return noMore(set, 0)
}

// find takes the address from the configuration, which needs no more than to be
// readable: what is wrong with it otherwise is the agent's to say.
func (f *statusFlags) find() error {
	if f.address != "" {
		return nil
	}
	cfg, diags := config.LoadWith(f.config, config.Options{Strict: f.strict})
	switch {
	case cfg != nil && cfg.Status != nil && cfg.Status.Address != "":
		f.address = cfg.Status.Address
		return nil
	case diags.HasErrors():
		return report.WithHint(errors.New("the configuration is not usable, and no status address is found in it"), "vault-renderer validate says what is wrong; -address=ADDRESS does without it")
	}
	return report.WithHint(errors.New("the configuration has no status block: the agent does not say how it is"), `add status { address = "unix:///run/vault-renderer/status.sock" } and restart the agent`)
}

// show prints the answer and gives the exit code.
func (f *statusFlags) show(ctx context.Context, c *status.Client, stdout, stderr io.Writer) int {
	r, err := f.ask(ctx, c)
	none, code := (*status.NoAnswerError)(nil), 0
	switch {
	case errors.As(err, &none):
		report.Error(stderr, report.WithHint(err, "does the agent run, with this status address? a socket also wants permission to write to it"))
		return noStatus
	case err != nil:
		report.Error(stderr, err)
		return notReady
	case !f.well(r) && (f.ready || f.placed || f.wait > 0):
		code = notReady
	}
	switch {
	case f.asJSON:
		err = indented(stdout, r)
	case f.placed:
		_, err = fmt.Fprintln(stdout, placement(r))
	case f.ready:
		_, err = fmt.Fprintln(stdout, readiness(r))
	default:
		err = table(stdout, r)
	}
	if err != nil {
		report.Error(stderr, err)
		return noStatus
	}
	return code
}

const (
	askEvery = 200 * time.Millisecond
	askTime  = 5 * time.Second // more than the agent takes to say that it is stuck
)

// ask gives the report: the first one, or with -wait the first that is ready
// and else the last.
func (f *statusFlags) ask(ctx context.Context, c *status.Client) (r status.Report, err error) {
	for end := time.Now().Add(f.wait); ; {
		one, cancel := context.WithTimeout(ctx, askTime)
		r, err = c.Report(one)
		cancel()
		if err == nil && f.well(r) || ctx.Err() != nil || !time.Now().Before(end) {
			return r, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(askEvery, time.Until(end))):
		}
	}
}

// well says whether it is as was asked for.
func (f *statusFlags) well(r status.Report) bool { return r.Ready || f.placed && r.Placed() }

func placement(r status.Report) string {
	if r.Placed() {
		return "placed"
	}
	return readiness(r)
}

func readiness(r status.Report) string {
	switch {
	case r.Ready:
		return "ready"
	case len(r.Reasons) == 0:
		return "not ready"
	}
	lines := make([]string, len(r.Reasons))
	for i, reason := range r.Reasons {
		lines[i] = "not ready: " + oneLine(reason)
	}
	return strings.Join(lines, "\n")
}

func indented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

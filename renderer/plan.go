package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"vault-renderer/renderer/internal/agent"
	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/preview"
	"vault-renderer/renderer/internal/report"
	"vault-renderer/renderer/internal/rollout"
)

const planUsage = `Usage: vault-renderer plan -config=FILE [-config=FILE ...] [options]

Logs in and renders the templates with the secrets that Vault has now, writes
nothing, and shows how the result differs from the files in place. Values of
secrets are hidden behind markers: the same value has the same marker, another
value another one. No sink is written, no hook runs, credential files stay, and
the token is revoked at the end, with the credentials that were made under it
(a token_file's own token is not).

    $ vault-renderer plan -config=agent.hcl
    $ vault-renderer plan -config=agent.hcl -template=run/config.ini

What a template itself does with Vault is done: it may write there, or have a
certificate issued. Of a variable (env_template) it shows what the program would
be given; what it has now is not known, so this counts as no change.

Exit codes: 0 done, 1 a failure; with -detailed-exitcode 2 when something would
change.

`

// planFlags are the options of the plan command.
type planFlags struct {
	agentFlags
	template              string
	showSecrets, detailed bool
	timeout               time.Duration
}

func runPlan(args []string, stdout, stderr io.Writer) int {
	f := &planFlags{}
	set := f.options("vault-renderer plan")
	set.StringVar(&f.template, "template", "", "plan this one alone: a `name`, a destination, or \"env VARIABLE\"")
	set.BoolVar(&f.showSecrets, "show-secrets", false, "hide nothing")
	set.BoolVar(&f.detailed, "detailed-exitcode", false, "end with 2 when something would change")
	set.DurationVar(&f.timeout, "timeout", time.Minute, "give up after this `time`")
	groups := []group{{"Options", []string{"config", "template", "show-secrets", "detailed-exitcode", "timeout", "strict", "log-level"}}, agentGroups()[2]}
	if err := f.begin(set, args, stdout, planUsage, groups); err != nil {
		return refused(stderr, err)
	}
	return f.plan(stdout, stderr)
}

func (f *planFlags) plan(stdout, stderr io.Writer) int {
	cfg, diags := f.load()
	if diags.HasErrors() {
		return printed(stderr, cfg, onlyErrors(diags))
	}
	if err := choose(cfg, f.template); err != nil {
		report.Error(stderr, err)
		return 1
	}
	sheets, diags := agent.Sheets(cfg, agent.Surroundings{})
	if diags.HasErrors() {
		return printed(stderr, cfg, diags)
	}
	ctx, stop := f.interruptible()
	defer stop()
	p, diags, err := agent.NewPreview(ctx, f.quietly(cfg, stderr))
	if diags.HasErrors() {
		return printed(stderr, cfg, onlyErrors(diags))
	}
	changes := 0
	if p != nil {
		var shown error
		changes, shown = show(stdout, p, f.mask(p, sheets))
		err = errors.Join(err, shown)
		unrevoked(stderr, p.Unrevoked)
	}
	switch {
	case err != nil:
		report.Error(stderr, f.explained(err))
		return 1
	case changes > 0 && f.detailed:
		return 2
	}
	return 0
}

// interruptible ends with the time limit, and at a signal: the token is revoked
// then as well.
func (f *planFlags) interruptible() (context.Context, func()) {
	ctx, cancel := context.WithTimeout(context.Background(), f.timeout)
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	return ctx, func() { stop(); cancel() }
}

// quietly are the options of an agent whose log nobody asked for: what fails is
// said at the end. Nothing of it goes to standard output, where spew_dump would
// show values.
func (f *agentFlags) quietly(cfg *config.Config, stderr io.Writer) agent.Options {
	log := slog.New(slog.DiscardHandler)
	if f.logLevel != "" {
		level := &slog.LevelVar{}
		level.Set(cfg.Level())
		log = slog.New(report.NewLogHandler(stderr, cfg.LogFormat, level))
	}
	return agent.Options{Config: cfg, Log: log, Version: version, Rand: rand.Float64}
}

func (f *planFlags) explained(err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return report.WithHint(fmt.Errorf("the plan was not ready after %s", f.timeout), "does Vault answer? -log-level=info says what is tried, -timeout allows more time")
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	}
	return loginHint(err)
}

// loginHint says what to do where the way to log in stands against looking.
func loginHint(err error) error {
	switch {
	case errors.Is(err, agent.ErrIncomplete):
		return report.WithHint(err, "mend the template, the path or the policy")
	case errors.Is(err, agent.ErrOneUse), errors.Is(err, agent.ErrNoLogin), errors.Is(err, agent.ErrWrappedLogin):
		return report.WithHint(err, "take a configuration of its own for this, with another auto_auth block, such as one with method \"token_file\"")
	}
	return err
}

func unrevoked(stderr io.Writer, err error) {
	if err != nil {
		fmt.Fprintf(stderr, "vault-renderer: warning: the token that was made for this could not be revoked and lives until it expires: %v\n", err)
	}
}

// mask hides the secrets of a preview, and not what stands in the templates:
// nobody writes a secret there. nil hides nothing.
func (f *planFlags) mask(p *agent.Preview, sheets []*agent.Sheet) *preview.Mask {
	if f.showSecrets {
		return nil
	}
	var public []string
	for _, s := range sheets {
		public = append(public, s.Text)
	}
	m := preview.NewMask(public...)
	for _, s := range p.Secrets {
		m.Add(s.Data.Unwrap())
		m.Add(s.Lease.ID)
		if s.Auth != nil {
			m.Add(s.Auth.ClientToken.Reveal())
		}
		if s.WrapInfo != nil {
			m.Add(s.WrapInfo.Token.Reveal())
		}
	}
	return m
}

// show prints the differences and what they come to.
func show(w io.Writer, p *agent.Preview, m *preview.Mask) (changes int, err error) {
	var created, changed, same int
	var errs []error
	for _, o := range p.Files {
		old, there, err := agent.InPlace(o.File.Path)
		text := modes(o, there) + difference(o, old, there, m)
		switch {
		case err != nil:
			errs = append(errs, err)
		case !there:
			created++
			fmt.Fprintf(w, "%s: a new file\n%s\n", o.File.Path, text)
		case text != "":
			changed++
			fmt.Fprintf(w, "%s: changes\n%s\n", o.File.Path, text)
		default:
			same++
		}
	}
	given(w, p, m)
	fmt.Fprintf(w, "Plan: %d to create, %d to change, %d unchanged%s.\n", created, changed, same, counted(p.Variables))
	return created + changed, errors.Join(errs...)
}

// given shows the variables. What the program has of them now nobody but the
// program knows, so they are no changes.
func given(w io.Writer, p *agent.Preview, m *preview.Mask) {
	for _, v := range p.Variables {
		value := v.Value
		if m != nil {
			value = m.Hide(value)
		}
		name := agent.NameOfVariable(v.Name)
		fmt.Fprintf(w, "%s: for the program\n%s\n", name, preview.Printable(preview.Unified("/dev/null", name, "", value)))
	}
}

func counted(variables []agent.Variable) string {
	switch n := len(variables); n {
	case 0:
		return ""
	case 1:
		return "; 1 variable"
	default:
		return fmt.Sprintf("; %d variables", n)
	}
}

// difference is the diff of a file with its secrets hidden.
func difference(o rollout.Output, old string, there bool, m *preview.Mask) string {
	now, from := string(o.Content), o.File.Path
	if !there {
		from = "/dev/null"
	}
	if old == now {
		return ""
	}
	if m != nil {
		shown := m.Hide(now)
		old, now = m.HideOld(old, now), shown
	}
	if text := preview.Unified(from, o.File.Path, old, now); text != "" || !there {
		return preview.Printable(text)
	}
	return "only what is hidden differs\n"
}

// modes says how the permissions would change.
func modes(o rollout.Output, there bool) string {
	info, err := os.Stat(o.File.Path)
	if !there || err != nil || o.File.Perms == 0 || info.Mode().Perm() == o.File.Perms&fs.ModePerm {
		return ""
	}
	return fmt.Sprintf("permissions %04o -> %04o\n", info.Mode().Perm(), o.File.Perms&fs.ModePerm)
}

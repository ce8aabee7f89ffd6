package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"vault-renderer/renderer/internal/agent"
	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/policy"
	"vault-renderer/renderer/internal/report"
	"vault-renderer/renderer/internal/vault"
)

const policyUsage = `Usage: vault-renderer policy -config=FILE [-config=FILE ...] [options]

Prints the least Vault policy that the templates need, from their text: nothing
is rendered. A path that is computed becomes a pattern, with the place and the
expression above it.

    $ vault-renderer policy -config=agent.hcl -kv2=secret | vault policy write app -
    $ vault-renderer policy -config=agent.hcl -check

Only Vault knows which key/value engines are of version 2. Without -kv2, -check
and -address both spellings are printed: leave the right one. With -check or
-address it logs in as the configuration says, and revokes the token at the end
(a token_file's own token is not).

Exit codes: 0 printed, or the token may do everything; 1 it may not, or a
failure; 2 the configuration or a template is not usable.

`

// policyFlags are the options of the policy command.
type policyFlags struct {
	agentFlags
	template string
	kv2      optionalString
	check    bool
	timeout  time.Duration
}

func runPolicy(args []string, stdout, stderr io.Writer) int {
	f := &policyFlags{}
	set := f.options("vault-renderer policy")
	set.StringVar(&f.template, "template", "", "for this one alone: a `name`, a destination, or \"env VARIABLE\"")
	set.Var(&f.kv2, "kv2", "the `mounts` of the key/value engines of version 2, with commas between; \"\" says that there is none")
	set.BoolVar(&f.check, "check", false, "log in, and say what the token may not do that the templates need")
	set.DurationVar(&f.timeout, "timeout", time.Minute, "give up asking Vault after this `time`")
	groups := []group{{"Options", []string{"config", "template", "kv2", "check", "timeout", "strict"}}, agentGroups()[2]}
	if err := f.begin(set, args, stdout, policyUsage, groups); err != nil {
		return refused(stderr, err)
	}
	return f.policy(stdout, stderr)
}

func (f *policyFlags) policy(stdout, stderr io.Writer) int {
	cfg, code, err := f.templates(f.template, stderr)
	if cfg == nil {
		report.Error(stderr, err)
		return code
	}
	sheets, diags := agent.Sheets(cfg, agent.Surroundings{})
	if diags.HasErrors() {
		printDiagnostics(stderr, cfg, diags)
		return invalid
	}
	needs, err := needsOf(sheets)
	if err == nil && !f.check && !f.env["VAULT_ADDR"].set {
		err = write(stdout, needs, f.known())
	} else if err == nil {
		err = f.visit(cfg, needs, stdout, stderr)
	}
	if err != nil {
		report.Error(stderr, loginHint(err))
		return 1
	}
	return 0
}

func needsOf(sheets []*agent.Sheet) (needs []policy.Need, err error) {
	for _, s := range sheets {
		t := s.Config
		found, err := policy.Needs(policy.Source{Name: t.Name, Text: s.Text, Left: t.LeftDelimiter, Right: t.RightDelimiter, Place: s.Place})
		if err != nil {
			return nil, err
		}
		needs = append(needs, found...)
	}
	return needs, nil
}

func write(stdout io.Writer, needs []policy.Need, mounts policy.Mounts) error {
	rules, unknown := policy.Rules(needs, mounts)
	return policy.Write(stdout, rules, unknown)
}

// known is what -kv2 says of the mounts.
func (f *policyFlags) known() policy.Mounts {
	if !f.kv2.set {
		return func(string) (vault.Mount, bool) { return vault.Mount{}, false }
	}
	return func(path string) (vault.Mount, bool) {
		for m := range strings.SplitSeq(f.kv2.value, ",") {
			if m = strings.Trim(m, " /"); m != "" && strings.HasPrefix(path+"/", m+"/") {
				return vault.Mount{Path: m + "/", Type: "kv", V2: true}, true
			}
		}
		return vault.Mount{}, true
	}
}

// visit asks Vault: for the mounts, and with -check for what the token may do.
func (f *policyFlags) visit(cfg *config.Config, needs []policy.Need, stdout, stderr io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), f.timeout)
	defer cancel()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	unrevokedToken, diags, err := agent.Visit(ctx, f.quietly(cfg, stderr), func(s *vault.Session) error {
		mounts, err := f.askMounts(ctx, s, needs)
		switch {
		case err != nil:
			return err
		case !f.check:
			return write(stdout, needs, mounts)
		}
		return check(ctx, s, needs, mounts, stdout, stderr)
	})
	if diags.HasErrors() {
		printDiagnostics(stderr, cfg, onlyErrors(diags))
		return errors.New("there is no way to ask Vault")
	}
	unrevoked(stderr, unrevokedToken)
	return err
}

// askMounts looks up the mount of every path once. What -kv2 says goes before.
func (f *policyFlags) askMounts(ctx context.Context, s *vault.Session, needs []policy.Need) (policy.Mounts, error) {
	if f.kv2.set {
		return f.known(), nil
	}
	known := map[string]vault.Mount{}
	for _, n := range needs {
		path := strings.Trim(n.Path, "/")
		if _, asked := known[n.Path]; asked || path == "" {
			continue
		}
		m, err := s.MountOf(ctx, path)
		if err != nil {
			return nil, err
		}
		known[n.Path] = m
	}
	return func(path string) (vault.Mount, bool) { return known[path], known[path].Path != "" }, nil
}

// check says what the session's token may not do.
func check(ctx context.Context, s *vault.Session, needs []policy.Need, mounts policy.Mounts, stdout, stderr io.Writer) error {
	may, err := s.Capabilities(ctx, policy.Asked(needs, mounts))
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range policy.Check(needs, mounts, may) {
		errs = append(errs, m)
	}
	unsure := 0
	for _, n := range needs {
		if n.Path == "" {
			unsure++
			fmt.Fprintf(stderr, "vault-renderer: warning: template %q: %s: not checked: the token must be able to %s\n", n.Template, n.Place, n)
		}
	}
	if len(errs) == 0 {
		fmt.Fprintf(stdout, "The token may do all that the templates need: %d of %d calls are checked.\n", len(needs)-unsure, len(needs))
	}
	return errors.Join(errs...)
}

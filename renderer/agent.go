package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"vault-renderer/renderer/internal/agent"
	"vault-renderer/renderer/internal/auth"
	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/report"
)

const agentUsage = `Usage: vault-renderer agent -config=FILE [-config=FILE ...] [options]

Logs in to Vault as the configuration says, renders its templates and keeps
them fresh until it is stopped. Configuration files of Vault Agent work as
they are.

  SIGHUP            reads the configuration again; a bad one changes nothing
  SIGINT, SIGTERM   stop; the files stay as they are. A second one stops at once

Options:
`

// agentFlags are the options of the agent command.
type agentFlags struct {
	config        paths
	exitAfterAuth optionalBool
	logLevel      string
	logFormat     string
}

func parseAgentFlags(args []string, stdout io.Writer) (*agentFlags, error) {
	f := &agentFlags{}
	set := flag.NewFlagSet("vault-renderer agent", flag.ContinueOnError)
	set.SetOutput(io.Discard) // mistakes are reported as all others are
	set.Usage = func() {}
	set.Var(&f.config, "config", "configuration `file` or directory; may be given several times")
	set.Var(&f.exitAfterAuth, "exit-after-auth", "render once and exit with 0; overrides the file's exit_after_auth")
	set.StringVar(&f.logLevel, "log-level", "", "trace, debug, info, warn or error; overrides VAULT_LOG_LEVEL and the file")
	set.StringVar(&f.logFormat, "log-format", "", "standard or json; overrides VAULT_LOG_FORMAT and the file")
	if err := set.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, agentUsage)
		set.SetOutput(stdout)
		set.PrintDefaults()
		return nil, err
	} else if err != nil {
		return nil, report.WithHint(err, `"vault-renderer agent -h" explains the options`)
	}
	if set.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", set.Arg(0))
	}
	if len(f.config) == 0 {
		return nil, report.WithHint(errors.New("no configuration given"), "name it with -config=FILE")
	}
	return f, nil
}

func runAgent(args []string, stdout, stderr io.Writer) int {
	f, err := parseAgentFlags(args, stdout)
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			report.Error(stderr, err)
		}
		return flagError(err)
	}
	cfg, diags := f.load()
	if printDiagnostics(stderr, cfg, diags); diags.HasErrors() {
		return 1
	}
	level := &slog.LevelVar{}
	level.Set(cfg.Level())
	log := slog.New(report.NewLogHandler(stderr, cfg.LogFormat, level))
	a, diags := agent.New(agent.Options{
		Config: cfg, Load: f.load, Log: log, SetLevel: level.Set, Version: version, Rand: rand.Float64,
		Diagnose: func(c *config.Config, d hcl.Diagnostics) { printDiagnostics(stderr, c, d) },
		Stdout:   os.Stdout, Stderr: os.Stderr,
	})
	if printDiagnostics(stderr, cfg, diags); diags.HasErrors() {
		return 1
	}
	ctx, stop := signals(a.Reload)
	defer stop()
	return supervise(ctx, a, cfg, log, stderr)
}

// supervise runs the agent with its pid file and turns its end into an exit code.
func supervise(ctx context.Context, a *agent.Agent, cfg *config.Config, log *slog.Logger, stderr io.Writer) int {
	if cfg.PIDFile != "" {
		if err := os.WriteFile(cfg.PIDFile, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
			report.Error(stderr, report.WithHint(fmt.Errorf("pid_file: %w", err), "choose a path that this user may write"))
			return 1
		}
		defer os.Remove(cfg.PIDFile)
	}
	log.Info("started", "version", version, "templates", len(cfg.Templates), "sinks", len(cfg.AutoAuth.Sinks))
	err := a.Run(ctx)
	if err == nil {
		log.Info("stopped")
		return 0
	}
	report.Error(stderr, hinted(err))
	return 1
}

// hinted adds the next step to the errors that end a run.
func hinted(err error) error {
	switch {
	case errors.Is(err, auth.ErrLogin):
		return report.WithHint(err, "check the role_id and secret_id files and the address in the vault block; without exit_on_err the login is tried again")
	case errors.Is(err, agent.ErrIncomplete):
		return report.WithHint(err, "the files of the failed templates were not touched; mend the template, the path or the policy, and start again")
	}
	return err
}

// load reads the configuration and applies the flags and the environment.
func (f *agentFlags) load() (*config.Config, hcl.Diagnostics) {
	cfg, diags := config.Load(f.config)
	if diags.HasErrors() || cfg == nil {
		return cfg, diags
	}
	if f.exitAfterAuth.set {
		cfg.ExitAfterAuth = f.exitAfterAuth.value
	}
	cfg.LogLevel = first(f.logLevel, os.Getenv("VAULT_LOG_LEVEL"), cfg.LogLevel)
	cfg.LogFormat = first(f.logFormat, os.Getenv("VAULT_LOG_FORMAT"), cfg.LogFormat)
	if !slices.Contains(logLevels(), strings.ToLower(cfg.LogLevel)) {
		diags = diags.Append(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown log level", Detail: fmt.Sprintf("%q is not one of trace, debug, info, warn, error.", cfg.LogLevel)})
	}
	if l := strings.ToLower(cfg.LogFormat); l != "" && l != "standard" && l != "json" {
		diags = diags.Append(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown log format", Detail: fmt.Sprintf("%q is not one of standard, json.", cfg.LogFormat)})
	}
	return cfg, diags
}

// logLevels are the names that Vault Agent takes; "" is info.
func logLevels() []string {
	return []string{"", "trace", "debug", "info", "notice", "warn", "warning", "err", "error"}
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func printDiagnostics(w io.Writer, cfg *config.Config, diags hcl.Diagnostics) {
	if len(diags) == 0 {
		return
	}
	var files map[string]*hcl.File
	if cfg != nil {
		files = cfg.Files
	}
	_ = report.Diagnostics(w, files, diags)
}

// paths is a flag that may be given several times.
type paths []string

func (p *paths) String() string { return strings.Join(*p, ",") }

func (p *paths) Set(v string) error {
	if v == "" {
		return errors.New("the path is empty")
	}
	*p = append(*p, v)
	return nil
}

// optionalBool is a boolean flag that knows whether it was given.
type optionalBool struct{ set, value bool }

func (b *optionalBool) String() string   { return strconv.FormatBool(b.value) }
func (b *optionalBool) IsBoolFlag() bool { return true }

func (b *optionalBool) Set(v string) (err error) {
	b.set = true
	b.value, err = strconv.ParseBool(v)
	return err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"vault-renderer/renderer/internal/agent"
	"vault-renderer/renderer/internal/auth"
	"vault-renderer/renderer/internal/child"
	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/report"
	"vault-renderer/renderer/internal/state"
	"vault-renderer/renderer/internal/telemetry"
)

func runAgent(args []string, stdout, stderr io.Writer) int {
	f, err := parseAgentFlags(args, stdout, stderr)
	if err == nil {
		err = f.export()
	}
	if err != nil {
		return refused(stderr, err)
	}
	if f.combineLogs {
		stderr = stdout
	}
	cfg, diags := f.load()
	if cfg == nil || f.verifyOnly {
		return printed(stderr, cfg, diags)
	}
	r, err := f.newRun(cfg, diags.HasErrors(), stdout, stderr)
	if err != nil {
		printDiagnostics(stderr, cfg, diags)
		report.Error(stderr, err)
		return 1
	}
	defer r.close()
	collectFor(cfg)
	a, more := agent.New(r.options())
	if diags = together(diags, more); diags.HasErrors() {
		return printed(stderr, cfg, diags)
	}
	r.diagnose(cfg, diags)
	return r.supervise(a)
}

// printed prints diagnostics and gives the exit code.
func printed(w io.Writer, cfg *config.Config, diags hcl.Diagnostics) int {
	printDiagnostics(w, cfg, diags)
	if diags.HasErrors() {
		return 1
	}
	return 0
}

// together adds what building found to what reading found; a place that was
// reported as wrong already is not reported again.
func together(read, built hcl.Diagnostics) hcl.Diagnostics {
	seen := map[hcl.Range]bool{}
	for _, d := range read {
		if d.Subject != nil && d.Severity == hcl.DiagError {
			seen[*d.Subject] = true
		}
	}
	out := read
	for _, d := range built {
		if d.Subject == nil || !seen[*d.Subject] {
			out = append(out, d)
		}
	}
	return out
}

// run is one run of the agent with what main owns of it.
type run struct {
	f              *agentFlags
	cfg            *config.Config
	log            *slog.Logger
	level          *slog.LevelVar
	metrics        *telemetry.Metrics
	stdout, stderr io.Writer
	close          func()
}

// newRun opens the log and the metrics. A configuration that will not run
// leaves no trace in a log file.
func (f *agentFlags) newRun(cfg *config.Config, broken bool, stdout, stderr io.Writer) (*run, error) {
	r := &run{f: f, cfg: cfg, level: &slog.LevelVar{}, stdout: stdout, stderr: stderr, close: func() {}}
	r.level.Set(cfg.Level())
	out := stderr
	if l := cfg.Log; l.Path != "" && !broken {
		file, err := report.OpenLogFile(report.LogFileOptions{
			Path: l.Path, RotateDuration: l.RotateDuration, RotateBytes: l.RotateBytes, RotateMaxFiles: l.RotateMaxFiles,
			OnError: func(err error) { report.Error(stderr, err) },
		})
		if err != nil {
			return nil, report.WithHint(err, "choose a path that this user may write")
		}
		r.close = func() { _ = file.Close() }
		out = report.Tee(stderr, file)
	}
	r.log = slog.New(report.NewLogHandler(out, cfg.LogFormat, r.level))
	if broken {
		return r, nil
	}
	m, err := newMetrics(cfg, report.Named(r.log, "telemetry"))
	if err != nil {
		r.close()
		return nil, err
	}
	r.metrics = m
	closeLog := r.close
	r.close = func() { m.Close(); closeLog() }
	return r, nil
}

func (r *run) options() agent.Options {
	return agent.Options{
		Config: r.cfg, Load: r.f.load, Log: r.log, SetLevel: r.level.Set, Version: version, Rand: rand.Float64, Metrics: r.metrics,
		Diagnose: r.diagnose,
		Stdout:   os.Stdout, Stderr: os.Stderr,
	}
}

// diagnose says what is wrong with a configuration while the log is in use:
// a log of JSON stays one, and a level above warn silences warnings.
func (r *run) diagnose(cfg *config.Config, diags hcl.Diagnostics) {
	var shown hcl.Diagnostics
	for _, d := range diags {
		level := slog.LevelWarn
		if d.Severity == hcl.DiagError {
			level = slog.LevelError
		}
		if !strings.EqualFold(r.cfg.LogFormat, "json") {
			if r.log.Enabled(context.Background(), level) {
				shown = append(shown, d)
			}
			continue
		}
		args := []any{"detail", d.Detail}
		if d.Subject != nil {
			args = append(args, "at", fmt.Sprintf("%s:%d", d.Subject.Filename, d.Subject.Start.Line))
		}
		r.log.Log(context.Background(), level, d.Summary, args...)
	}
	printDiagnostics(r.stderr, cfg, shown)
}

// supervise runs the agent with its pid file and listeners and turns its end
// into an exit code.
func (r *run) supervise(a *agent.Agent) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	listening, err := r.listen(cancel)
	servers := listening
	if err == nil {
		servers, err = r.serveStatus(listening, a)
	}
	if err == nil {
		err = writePID(r.cfg.PIDFile)
	}
	if err != nil {
		servers.close()
		report.Error(r.stderr, err)
		return 1
	}
	if r.cfg.PIDFile != "" {
		defer os.Remove(r.cfg.PIDFile)
	}
	stop := r.signals(cancel, a, servers)
	defer stop()
	if os.Getpid() == 1 && !a.Supervises() { // a supervised program's orphans are its supervisor's
		go child.Reap(ctx)
	}
	if !r.f.combineLogs && len(r.f.command) == 0 { // standard output is the program's
		banner(r.stdout, r.cfg, listening)
	}
	r.log.Info("started", "version", version, "templates", len(r.cfg.Templates), "sinks", countSinks(r.cfg))
	notify(r.log, ready)
	err = servers.with(ctx, a.Run)
	notify(r.log, stopping)
	if err == nil {
		r.log.Info("stopped")
		return 0
	}
	var exit *child.ExitError
	if !errors.As(err, &exit) {
		report.Error(r.stderr, hinted(err))
		return 1
	}
	if exit.Err != nil {
		report.Error(r.stderr, err)
	} else {
		r.log.Info("the child has ended", "code", exit.Code)
	}
	return exit.Code
}

func writePID(path string) error {
	if path == "" {
		return nil
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return report.WithHint(fmt.Errorf("pid_file: %w", err), "choose a path that this user may write")
	}
	return nil
}

func countSinks(cfg *config.Config) int {
	if cfg.AutoAuth == nil {
		return 0
	}
	return len(cfg.AutoAuth.Sinks)
}

// hinted adds the next step to the errors that end a run.
func hinted(err error) error {
	switch {
	case errors.Is(err, auth.ErrLogin):
		return report.WithHint(err, "check the method's credentials and the address in the vault block; without exit_on_err the login is tried again")
	case errors.Is(err, state.ErrInUse):
		return report.WithHint(err, "another vault-renderer goes on from this state_file: stop it first, or give this one a state_file of its own")
	case errors.Is(err, agent.ErrIncomplete):
		return report.WithHint(err, "the files of the failed templates were not touched; mend the template, the path or the policy, and start again")
	}
	return err
}

// load reads the configuration and applies the flags and the environment. It
// gives no configuration when there is nothing to go on with.
func (f *agentFlags) load() (*config.Config, hcl.Diagnostics) {
	cfg, diags := config.LoadWith(f.config, config.Options{Strict: f.strict, ExecFromCommandLine: f.command})
	if cfg == nil {
		return nil, diags
	}
	if f.exitAfterAuth.set {
		cfg.ExitAfterAuth = f.exitAfterAuth.value
		if cfg.ExitAfterAuth && cfg.OnExit.Revoke {
			diags = diags.Append(&hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Nothing would be left", Subject: cfg.OnExit.Range.Ptr(),
				Detail: `With -exit-after-auth and on_exit = "revoke" the files would be removed as soon as they are there. Leave one of the two out.`,
			})
		}
	}
	for _, err := range []error{traffic(cfg), f.logSettings(cfg)} {
		if err != nil {
			diags = diags.Append(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid flag or environment variable", Detail: err.Error() + "."})
		}
	}
	return cfg, diags
}

// logSettings applies what flags and environment say of the log.
func (f *agentFlags) logSettings(cfg *config.Config) (err error) {
	cfg.LogLevel = first(f.logLevel, os.Getenv("VAULT_LOG_LEVEL"), cfg.LogLevel)
	cfg.LogFormat = first(f.logFormat, os.Getenv("VAULT_LOG_FORMAT"), cfg.LogFormat)
	cfg.Log.Path = first(f.logFile, cfg.Log.Path)
	if f.logRotateBytes.set {
		cfg.Log.RotateBytes = f.logRotateBytes.value
	}
	if f.logRotateMaxFiles.set {
		cfg.Log.RotateMaxFiles = int(f.logRotateMaxFiles.value)
	}
	if f.logRotateDuration != "" {
		if cfg.Log.RotateDuration, err = rotation(f.logRotateDuration); err != nil {
			return err
		}
	}
	if !known(cfg.LogLevel, "trace", "debug", "info", "notice", "warn", "warning", "err", "error") {
		return fmt.Errorf("log level %q is not one of trace, debug, info, warn, error", cfg.LogLevel)
	}
	if !known(cfg.LogFormat, "standard", "json") {
		return fmt.Errorf("log format %q is not one of standard, json", cfg.LogFormat)
	}
	return nil
}

// known says whether v is one of the words, in any case, or not set.
func known(v string, words ...string) bool {
	for _, w := range words {
		if strings.EqualFold(v, w) {
			return true
		}
	}
	return v == ""
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

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"vault-renderer/renderer/internal/agent"
	"vault-renderer/renderer/internal/child"
	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/report"
	"vault-renderer/renderer/internal/rollout"
)

const execUsage = `Usage: vault-renderer exec -config=FILE [options] -- COMMAND [ARGUMENT ...]

Renders once, then becomes COMMAND in the same process: nothing of
vault-renderer is left running, and nothing renews the credentials, which live
as long as Vault granted. Variables of env_template blocks are set. Files are
written to their destinations, or with -memory to none: COMMAND finds each open,
in memory only, at the path that a variable names.

    $ vault-renderer exec -config=app.hcl -- /usr/bin/app --verbose
    $ vault-renderer exec -config=app.hcl -memory -- sh -c 'app --config "$FILE_config_ini"'

With -memory the variable is FILE_ and the last part of the destination, every
sign but letters and digits as _.

Exit codes: COMMAND's own; 1 when it could not be rendered, 126 or 127 when
COMMAND can't be executed or is not there.

`

// runExec renders once and becomes the command.
func runExec(args []string, stdout, stderr io.Writer) int {
	f := &agentFlags{}
	set := f.options("vault-renderer exec")
	memory := set.Bool("memory", false, "files are given open, in memory, instead of being written")
	groups := append([]group{{"Exec options", []string{"config", "strict", "memory"}}}, agentGroups()[1:]...)
	if err := f.parse(set, args, stdout, execUsage, groups); err != nil {
		return refused(stderr, err)
	}
	if set.NArg() == 0 {
		return refused(stderr, report.WithHint(errors.New("no command"), "name it behind --"))
	}
	if err := f.export(); err != nil {
		return refused(stderr, err)
	}
	f.command = set.Args()
	e := &oneShot{f: f, memory: *memory, stdout: stdout, stderr: stderr}
	err := e.run()
	if err == nil {
		return 0 // not reached: this is another program by now
	}
	if !errors.Is(err, errSaid) {
		report.Error(stderr, hinted(err))
	}
	var exit *child.ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	return 1
}

// oneShot is one rendering in front of a command.
type oneShot struct {
	f              *agentFlags
	memory         bool
	stdout, stderr io.Writer
	files          []rollout.Output
}

// errSaid stands for diagnostics that were printed.
var errSaid = errors.New("said")

func (e *oneShot) run() error {
	cfg, diags := e.f.load()
	if cfg == nil || diags.HasErrors() {
		printed(e.stderr, cfg, diags)
		return errSaid
	}
	x := *cfg.Exec
	cfg.Exec, cfg.ExitAfterAuth = nil, true
	cfg.OnExit = config.OnExit{}
	r, err := e.f.newRun(cfg, false, e.stdout, e.stderr)
	if err != nil {
		return err
	}
	o := r.options()
	o.Load = nil
	if e.memory {
		o.Place = e.keep
	}
	a, more := agent.New(o)
	if diags = together(diags, more); diags.HasErrors() {
		r.close()
		printed(e.stderr, cfg, diags)
		return errSaid
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = a.Run(ctx)
	interrupted := ctx.Err() != nil
	stop()
	r.close()
	switch {
	case err != nil:
		return err
	case interrupted:
		return errors.New("interrupted before everything was rendered")
	}
	return e.become(&x, a.Variables())
}

// keep has files in memory only.
func (e *oneShot) keep(outs []rollout.Output) ([]bool, error) {
	for _, o := range outs {
		e.files = slices.DeleteFunc(e.files, func(f rollout.Output) bool { return f.File.Path == o.File.Path })
		e.files = append(e.files, o)
	}
	return make([]bool, len(outs)), nil
}

// become gives the process to the command.
func (e *oneShot) become(x *config.Supervise, variables []string) error {
	env, err := agent.ChildEnv(x)
	if err != nil {
		return err
	}
	if !x.VaultToken {
		env = slices.DeleteFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "VAULT_TOKEN=") })
	}
	var open []*os.File // referenced until the end
	for _, o := range e.files {
		name := fileVariable(o.File.Path)
		f, err := child.SecretFD(name, o.Content)
		if err != nil {
			return fmt.Errorf("%s in memory: %w", o.File.Path, err)
		}
		fd, err := child.Inherit(f)
		if err != nil {
			return fmt.Errorf("%s in memory: %w", o.File.Path, err)
		}
		open = append(open, f)
		variables = append(variables, fmt.Sprintf("%s=/proc/self/fd/%d", name, fd))
	}
	err = child.Exec(x.Command, merged(env, variables), x.WorkingDir)
	for _, f := range open {
		_ = f.Close()
	}
	return err
}

// merged is an environment in which later pairs win.
func merged(env, variables []string) []string {
	for _, kv := range variables {
		name, _, _ := strings.Cut(kv, "=")
		env = slices.DeleteFunc(env, func(old string) bool { return strings.HasPrefix(old, name+"=") })
		env = append(env, kv)
	}
	return env
}

// fileVariable names the variable that tells where a file is.
func fileVariable(path string) string {
	base := path[strings.LastIndexByte(path, '/')+1:]
	return "FILE_" + strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, base)
}

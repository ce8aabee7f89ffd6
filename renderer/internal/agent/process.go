package agent

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/hcl/v2"

	"vault-renderer/renderer/internal/child"
	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/reload"
)

// process is what the loop knows of the supervised child.
type process struct {
	sup    *child.Supervisor
	events chan child.Event
	ended  chan struct{} // closed when it has ended and nothing of it is left
	close  func()        // of its output files

	given   []string // the variables that it was given last
	set     bool     // it was started
	restart bool     // files changed that it is not told of otherwise
	reload  bool     // files changed, and it has a signal for that
	startBy time.Time
	err     error  // why the last change is not in effect
	since   uint64 // the first generation with what was given

	running map[int]uint64 // by the number of the process: the generation that it was started with
	ready   uint64         // the newest of a child that was ready
}

// buildProcess prepares the child. All that can fail is done before it runs.
func (a *Agent) buildProcess() error {
	x := a.plan.cfg.Exec
	if x == nil || a.dry {
		return nil
	}
	p := &process{events: make(chan child.Event), ended: make(chan struct{}), running: map[int]uint64{}}
	o, err := a.childOptions(x, p)
	if err != nil {
		return err
	}
	if p.sup, err = child.New(o); err != nil {
		p.close()
		return err
	}
	if err := modes(x.Sockets); err != nil {
		p.sup.Close()
		p.close()
		return err
	}
	if x.StartTimeout > 0 {
		p.startBy = time.Now().Add(x.StartTimeout)
	}
	a.process = p
	a.supervisor.Store(p.sup)
	return nil
}

func (a *Agent) childOptions(x *config.Supervise, p *process) (child.Options, error) {
	env, err := ChildEnv(x)
	if err != nil {
		return child.Options{}, fmt.Errorf("%s:%d: exec: env: %w", x.Env.Range.Filename, x.Env.Range.Start.Line, err)
	}
	stop, _ := reload.ParseSignal(x.StopSignal) // the configuration has been checked
	tell, _ := reload.ParseSignal(x.ReloadSignal)
	o := child.Options{
		Command: x.Command, Dir: x.WorkingDir, Env: env, Token: x.VaultToken, User: x.User, Group: x.Group,
		KillSignal: stop, KillTimeout: x.KillTimeout, ReloadSignal: tell, Restart: child.Restart(x.RestartOnSecretChanges),
		Splay: x.Splay, Ready: childReady(x.Ready), MaxRestarts: x.MaxRestarts, Log: a.log("exec.server"), Rand: a.o.Rand,
		Events: func(e child.Event) {
			select {
			case p.events <- e:
			case <-a.ctx.Done():
			}
		},
	}
	for _, s := range x.Sockets {
		o.Sockets = append(o.Sockets, childSocket(s))
	}
	if o.MaxRestarts == 0 {
		o.MaxRestarts = -1 // there it is the default
	}
	if x.Stdin {
		o.Stdin = os.Stdin
	}
	return o, a.childOutput(x, p, &o)
}

// childOutput opens the files that get what the child prints, as Vault Agent
// does; else it has ours.
func (a *Agent) childOutput(x *config.Supervise, p *process, o *child.Options) error {
	var opened []*os.File
	p.close = func() {
		for _, f := range opened {
			_ = f.Close()
		}
	}
	open := func(path string, ours *os.File) (*os.File, error) {
		if path == "" {
			return ours, nil
		}
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err == nil {
			opened = append(opened, f)
		}
		return f, err
	}
	var err error
	if o.Stdout, err = open(x.Stdout, a.o.Stdout); err != nil {
		return fmt.Errorf("exec: child_process_stdout: %w", err)
	}
	if o.Stderr, err = open(x.Stderr, a.o.Stderr); err != nil {
		p.close()
		return fmt.Errorf("exec: child_process_stderr: %w", err)
	}
	return nil
}

// ChildEnv is what the child gets of our own environment.
func ChildEnv(x *config.Supervise) ([]string, error) {
	var env []string
	if !x.Env.Pristine {
		var err error
		if env, err = child.FilterEnv(os.Environ(), x.Env.Allowlist, x.Env.Denylist); err != nil {
			return nil, err
		}
	}
	return append(env, x.Env.Custom...), nil
}

func childReady(r *config.Ready) *child.Ready {
	if r == nil {
		return nil
	}
	return &child.Ready{
		URL: r.URL, Address: r.Address, Command: r.Command, File: r.File, Notify: r.Notify,
		Timeout: r.Timeout, Interval: r.Interval,
	}
}

func childSocket(s config.Socket) child.Socket {
	return child.Socket{Name: s.Name, Network: s.Network, Address: s.Address}
}

// modes gives the sockets that are files their modes.
func modes(sockets []config.Socket) error {
	for _, s := range sockets {
		if !strings.HasPrefix(s.Network, "unix") || strings.HasPrefix(s.Address, "@") {
			continue
		}
		if err := os.Chmod(s.Address, os.FileMode(s.Mode)); err != nil {
			return fmt.Errorf("exec: socket %q: %w", s.Name, err)
		}
	}
	return nil
}

// buildVariable makes a unit of an env_template: it has a value in place of a
// file.
func (a *Agent) buildVariable(cfg *config.Config, t config.EnvTemplate, env func(string) (string, bool)) (*unit, hcl.Diagnostics) {
	u := newUnit(asTemplate(t), a.o.Rand)
	u.variable = t.Variable
	return u, a.parse(cfg, u, surroundings{env: env, plugin: a.plugin(cfg), debug: a.debug(cfg)})
}

// asTemplate is an env_template as the template without a file that it is.
func asTemplate(t config.EnvTemplate) config.Template {
	return config.Template{
		Name: t.Variable, Source: t.Source, SourceRange: t.SourceRange, Contents: t.Contents, ContentsRange: t.ContentsRange,
		ErrorOnMissingKey: t.ErrorOnMissingKey, ErrorFatal: t.ErrorFatal, LeftDelimiter: t.LeftDelimiter, RightDelimiter: t.RightDelimiter,
		FunctionDenylist: t.FunctionDenylist, AllowEmpty: true, Range: t.Range,
	}
}

// dropProcess lets go of a child that will not run.
func (a *Agent) dropProcess() {
	if a.process != nil {
		a.process.sup.Close()
		a.process.close()
	}
}

// runProcess runs the child until ctx ends, or until it ends by itself.
func (a *Agent) runProcess(ctx context.Context) error {
	defer close(a.process.ended)
	defer a.process.close()
	return a.process.sup.Run(ctx)
}

// feed gives the child what it should run with: at first when everything is
// there, then what changed.
func (a *Agent) feed() {
	p := a.process
	if p == nil || a.token.Empty() || !a.complete(p.set) {
		return
	}
	env := a.variables()
	changed := !slices.Equal(env, p.given)
	if p.set && !changed && !p.restart && !p.reload {
		return
	}
	if !p.set || changed {
		a.change++
		a.unsaved = true
	}
	p.sup.Set(child.Update{Env: env, FilesChanged: p.reload || p.restart, Restart: p.restart, Generation: a.change})
	if !p.set || changed {
		p.since = a.change
	}
	p.given, p.set, p.restart, p.reload = env, true, false, false
}

// complete says whether all that the child needs is there. Later on only the
// variables count: files are their own.
func (a *Agent) complete(started bool) bool {
	for _, u := range a.plan.units {
		there := u.done || u.flight != nil && u.flight.placed
		if !there && (!started || u.variable != "") || u.variable != "" && (u.missing || u.dirty) {
			return false
		}
	}
	return true
}

// Variables are the pairs of all env_templates, after Run has ended.
func (a *Agent) Variables() []string { return a.variables() }

// variables are the pairs of all env_templates, in the configuration's order.
func (a *Agent) variables() (env []string) {
	for _, u := range a.plan.units {
		if u.variable != "" {
			env = append(env, u.variable+"="+u.value)
		}
	}
	return env
}

// childEvents is nil, on which nobody ever sends, without a child.
func (a *Agent) childEvents() <-chan child.Event {
	if a.process == nil {
		return nil
	}
	return a.process.events
}

// onChild notes what became of an update.
func (a *Agent) onChild(e child.Event) {
	p := a.process
	switch e.Kind {
	case child.Started:
		p.running[e.PID] = e.Generation
	case child.IsReady:
		p.err, p.ready = nil, e.Generation
	case child.Refused:
		p.err = e.Err
	case child.Stopped, child.Ended:
		delete(p.running, e.PID)
	}
	if p.current() && slices.Equal(p.given, a.variables()) {
		a.inUseOfChild()
	}
}

// current says whether a child is ready with the newest variables, and none
// runs with older ones: the one before may still work on what it accepted.
func (p *process) current() bool {
	for _, g := range p.running {
		if g < p.since {
			return false
		}
	}
	return p.set && len(p.running) > 0 && p.ready >= p.since
}

// inUseOfChild notes that the child has the variables that it was given: what
// it had before is let go of.
func (a *Agent) inUseOfChild() {
	for _, u := range a.plan.units {
		if u.variable != "" && u.done && !u.told {
			u.told = true
			a.acknowledge(u, a.termsOf(a.rulesOf(a.rolloutOf(u))))
		}
	}
}

// Signal gives a signal to the child; without one nothing happens.
func (a *Agent) Signal(sig os.Signal) {
	if sup := a.supervisor.Load(); sup != nil {
		_ = sup.Signal(sig) // none runs: nobody misses it
	}
}

// Supervises says whether there is a child to care for. A reload changes nothing
// about that.
func (a *Agent) Supervises() bool { return a.o.Config.Exec != nil }

// childHook tells the child that files changed: a rollout's reload with child = true.
type childHook struct {
	a   *Agent
	sig syscall.Signal
}

// Key implements reload.Hook.
func (h childHook) Key() string { return "child\x00" + h.sig.String() }

// String implements reload.Hook.
func (h childHook) String() string { return "signal to the child" }

// Run implements reload.Hook. A child that does not run yet reads the files
// when it starts.
func (h childHook) Run(context.Context) error {
	h.a.Signal(h.sig)
	return nil
}

// overdue is the error of a child that could not be started in time.
func (a *Agent) overdue() error {
	p := a.process
	if p == nil || p.set || p.startBy.IsZero() || time.Now().Before(p.startBy) {
		return nil
	}
	return fmt.Errorf("%w: the child was not started, its secrets are not there after start_timeout (%s): %s",
		ErrIncomplete, a.plan.cfg.Exec.StartTimeout, strings.Join(a.reasons(), "; "))
}

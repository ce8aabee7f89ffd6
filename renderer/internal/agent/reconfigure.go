package agent

import (
	"errors"
	"reflect"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/state"
)

// reconfigure reads the configuration again. All that can fail is done first;
// a mistake leaves everything as it is.
func (a *Agent) reconfigure() {
	if a.o.Load == nil {
		return
	}
	cfg, diags := a.o.Load()
	var p *plan
	if !diags.HasErrors() {
		var d hcl.Diagnostics
		p, d = a.build(cfg)
		diags = diags.Extend(d)
	}
	if a.o.Diagnose != nil && len(diags) > 0 {
		a.o.Diagnose(cfg, diags)
	}
	if diags.HasErrors() {
		a.o.Log.Error("the new configuration is not usable; the running one stays in force", "errors", countErrors(diags))
		return
	}
	if len(a.flights) > 0 { // they are short once they are told to end
		a.waiting = p
		a.groundAll()
		return
	}
	a.apply(p)
}

// withoutRange is an exec block without the places where it stands.
func withoutRange(x *config.Supervise) config.Supervise {
	if x == nil {
		return config.Supervise{}
	}
	y := *x
	y.Range, y.Env.Range = hcl.Range{}, hcl.Range{}
	if y.Ready != nil {
		r := *y.Ready
		r.Range = hcl.Range{}
		y.Ready = &r
	}
	y.Sockets = slices.Clone(y.Sockets)
	for i := range y.Sockets {
		y.Sockets[i].Range = hcl.Range{}
	}
	return y
}

func countErrors(diags hcl.Diagnostics) int {
	n := 0
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			n++
		}
	}
	return n
}

// apply puts a plan in force. Templates that did not change keep their state;
// secrets that are still used keep their watchers; the token stays unless the
// way to it changed.
func (a *Agent) apply(p *plan) {
	old := a.plan
	a.plan = p
	p.slim()
	if a.o.SetLevel != nil {
		a.o.SetLevel(p.cfg.Level())
	}
	a.policy = policyOf(p.cfg, a.o.Rand)
	if sameConnection(old.cfg, p.cfg) {
		p.client, p.method = old.client, old.method
	} else {
		a.startKeeper()
	}
	a.startSinks()
	if old.cfg.TemplateConfig.StaticSecretRenderInterval != p.cfg.TemplateConfig.StaticSecretRenderInterval {
		a.restartStatic()
	}
	a.replaceUnits(old.units)
	p.name()
	a.dropHooks()
	a.moveState(old)
	if !reflect.DeepEqual(withoutRange(old.cfg.Exec), withoutRange(p.cfg.Exec)) {
		a.o.Log.Warn("the exec block has changed; that comes into force when vault-renderer is started again")
	}
	a.ledger.dirty, a.ledger.denied = true, false
	a.o.Log.Info("configuration reloaded", "templates", len(a.plan.units))
}

// moveState takes another state file when another one is named, or when what
// it is bound to has changed.
func (a *Agent) moveState(old *plan) {
	now := a.plan
	a.plan = old
	was := a.binding()
	a.plan = now
	if old.cfg.StateFile == now.cfg.StateFile && was == a.binding() {
		a.unsaved = true
		return
	}
	if a.store != nil {
		if err := errors.Join(a.store.Remove(), a.store.Close()); err != nil {
			a.log("state").Warn("the old state file could not be removed", "error", err)
		}
		a.store = nil
	}
	if now.cfg.StateFile == "" || a.dry {
		return
	}
	store, _, err := state.Open(state.Options{Path: now.cfg.StateFile, Binding: a.binding(), Log: a.log("state")})
	if err != nil {
		a.log("state").Error("the state file can't be used; a restart will log in and read everything anew", "error", err)
		return
	}
	a.store, a.unsaved = store, true
}

// replaceUnits carries the state of unchanged templates over and lets go of
// what the others watched.
func (a *Agent) replaceUnits(old []*unit) {
	kept := map[*unit]bool{}
	for i, u := range a.plan.units {
		for _, o := range old {
			if !kept[o] && sameUnit(o, u) {
				kept[o] = true
				o.cfg, o.hooks = u.cfg, u.hooks // ranges and the environment of commands may have moved
				a.plan.units[i] = o
				break
			}
		}
	}
	for _, u := range a.plan.units {
		if !kept[u] {
			a.inherit(u, old)
			a.expect(u)
			a.touch(u)
		}
	}
	for _, o := range old {
		if !kept[o] {
			a.unwatch(o, nil)
		}
	}
	a.touchReady() // nobody waits for those that are gone
}

// inherit takes over what is in place from the template that wrote it before.
func (a *Agent) inherit(u *unit, old []*unit) {
	for _, o := range old {
		if o.key() == u.key() {
			u.value, u.before = o.value, o.before
			u.placed, u.acked, u.side, u.told, u.generation = o.placed, o.acked, o.side, o.told, o.generation
		}
	}
}

func sameUnit(a, b *unit) bool {
	x, y := a.cfg, b.cfg
	x.Range, y.Range, x.ContentsRange, y.ContentsRange = hcl.Range{}, hcl.Range{}, hcl.Range{}, hcl.Range{}
	x.Exec, y.Exec, x.Signal, y.Signal = nil, nil, nil, nil // hooks are taken from the new one
	x.Rollout, y.Rollout = "", ""                           // likewise
	return a.variable == b.variable && a.text == b.text && reflect.DeepEqual(x, y)
}

// sameConnection says whether server, login and limits are as they were.
func sameConnection(a, b *config.Config) bool {
	va, vb := a.Vault, b.Vault
	va.Range, vb.Range = hcl.Range{}, hcl.Range{}
	ma, mb := methodOf(a), methodOf(b)
	ma.Range, mb.Range = hcl.Range{}, hcl.Range{}
	return va == vb && reflect.DeepEqual(ma, mb) && reauth(a) == reauth(b) &&
		a.DisableIdleConns == b.DisableIdleConns && a.DisableKeepAlives == b.DisableKeepAlives &&
		a.TemplateConfig.MaxConnectionsPerHost == b.TemplateConfig.MaxConnectionsPerHost
}

func reauth(c *config.Config) bool { return c.AutoAuth != nil && c.AutoAuth.ReauthOnNewCredential }

// restartStatic gives the secrets without a lease watchers with the new
// interval. Their values stay until the new watcher has read them.
func (a *Agent) restartStatic() {
	for r, e := range a.entries {
		if e.secret == nil || e.secret.Lease.Leased() {
			continue
		}
		e.stop()
		delete(a.entries, r)
		for u := range e.users {
			a.watch(r, u)
		}
		a.entries[r].value = e.value
	}
}

// dropHooks ends the hooks that no template names any more.
func (a *Agent) dropHooks() {
	used := map[string]bool{}
	for _, u := range a.plan.units {
		for _, h := range u.hooks {
			used[h.Key()] = true
		}
	}
	for key, n := range a.notifiers {
		if !used[key] {
			n.stop()
			delete(a.notifiers, key)
			if a.telling == key {
				a.telling = "" // nobody will say that it is done
			}
		}
	}
}

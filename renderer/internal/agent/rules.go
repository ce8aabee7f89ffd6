package agent

import (
	"context"
	"slices"
	"strings"
	"time"

	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/preview"
	"vault-renderer/renderer/internal/reload"
	"vault-renderer/renderer/internal/rollout"
)

// rulesOf are the rollout blocks that hold for a group of templates. They have
// more than one when templates of several share a leased secret: they move
// together then, under all the rules.
func (a *Agent) rulesOf(group []*unit) (out []config.Rollout) {
	for _, r := range a.plan.cfg.Rollouts {
		if slices.ContainsFunc(group, func(u *unit) bool { return u.cfg.Rollout == r.Name }) {
			out = append(out, r)
		}
	}
	return out
}

// managed says whether the rules ask for more than moving together.
func managed(rules []config.Rollout) bool {
	return slices.ContainsFunc(rules, func(r config.Rollout) bool { return r.Check != nil || r.Reload != nil || r.Ack != nil })
}

// nameOf names a rollout for people, commands and the state file.
func nameOf(rules []config.Rollout) string {
	names := make([]string, len(rules))
	for i, r := range rules {
		names[i] = r.Name
	}
	return strings.Join(names, "+")
}

// termsOf says what becomes of the credentials that a group does not use any
// more.
func (a *Agent) termsOf(rules []config.Rollout) terms {
	if len(rules) == 0 {
		l := a.plan.cfg.Leases
		return terms{revoke: l.Revoke == config.RevokeAlways, grace: l.Grace}
	}
	t := terms{revoke: true}
	for _, r := range rules {
		switch r.Revoke {
		case config.RevokeAlways:
		case config.RevokeNever:
			t.revoke = false
		default:
			t.revoke = t.revoke && r.Ack != nil
		}
		t.grace = max(t.grace, r.Grace)
	}
	return t
}

// attempt builds what moves a group to its next generation, but for what
// belongs to this one try.
func (a *Agent) attempt(group []*unit, rules []config.Rollout) *rollout.Attempt {
	at := &rollout.Attempt{Rand: a.o.Rand, Hooks: a.tellings(group)}
	env := reload.Environ(connectionEnv(a.plan.cfg, a.clientAddress(a.plan.cfg)))
	mask := a.mask(group)
	for _, r := range rules {
		at.Splay = max(at.Splay, r.Splay)
		if c := r.Check; c != nil {
			at.Checks = append(at.Checks, &reload.Check{Argv: c.Command, Timeout: c.Timeout, Env: env, Mask: mask})
		}
		if r.Reload != nil {
			at.Hooks = append(at.Hooks, rollout.Telling{Hook: a.saying(a.reloadHook(r.Reload, env, mask)), Retries: r.Reload.Retries})
		}
		if k := r.Ack; k != nil {
			at.Acks = append(at.Acks, rollout.Asking{Acker: acker(k, env, mask), Timeout: k.Timeout})
		}
	}
	return at
}

// templateRetries is how often a template's own hook is tried again when it
// stands in a rollout: as often as a reload block's by default.
const templateRetries = 3

// tellings are the hooks that the templates themselves name, each once, for the
// files of those that name it.
func (a *Agent) tellings(group []*unit) (out []rollout.Telling) {
	at := map[string]int{}
	for _, u := range a.plan.units {
		if !slices.Contains(group, u) {
			continue
		}
		for _, h := range u.hooks {
			i, there := at[h.Key()]
			if !there {
				i = len(out)
				at[h.Key()] = i
				out = append(out, rollout.Telling{Hook: a.saying(h), Retries: templateRetries})
			}
			out[i].Files = append(append(out[i].Files, u.file.Path), pathsOf(u.writes)...)
		}
	}
	return out
}

// saying is a hook that logs and counts what came of it.
func (a *Agent) saying(h reload.Hook) reload.Hook { return loudHook{h, a} }

type loudHook struct {
	reload.Hook
	a *Agent
}

// Run implements reload.Hook.
func (h loudHook) Run(ctx context.Context) error { return h.note(h.Hook.Run(ctx)) }

// RunFor implements reload.GenerationHook.
func (h loudHook) RunFor(ctx context.Context, g reload.Generation) error {
	if gh, ok := h.Hook.(reload.GenerationHook); ok {
		return h.note(gh.RunFor(ctx, g))
	}
	return h.Run(ctx)
}

func (h loudHook) note(err error) error {
	if err == nil {
		h.a.o.Metrics.HookSucceeded()
		h.a.log("rollout").Info("application told", "hook", h.Hook.String())
		return nil
	}
	h.a.o.Metrics.HookFailed()
	h.a.log("rollout").Debug("hook failed", "error", err)
	return err
}

func (a *Agent) reloadHook(r *config.Reload, env []string, mask func(string) string) reload.Hook {
	sig, _ := reload.ParseSignal(r.Signal) // the configuration has been checked
	switch {
	case r.Child:
		if r.Signal == "" {
			sig, _ = reload.ParseSignal(a.plan.cfg.Exec.ReloadSignal)
		}
		return childHook{a, sig}
	case r.PIDFile != "":
		return &reload.Signal{PIDFile: r.PIDFile, Signal: sig, Log: a.o.Log}
	case r.Process != "":
		return &reload.Process{Name: r.Process, Signal: sig, Log: a.o.Log}
	case r.URL != "":
		return &reload.HTTP{Method: r.Method, URL: r.URL, Timeout: r.Timeout, Mask: mask}
	}
	return &reload.Command{Argv: r.Command, Timeout: r.Timeout, Env: env, Stdout: a.o.Stdout, Stderr: a.o.Stderr}
}

func acker(k *config.Ack, env []string, mask func(string) string) reload.Acker {
	switch {
	case k.URL != "":
		return &reload.AckHTTP{URL: k.URL, Destination: k.Destination, Interval: k.Interval, Mask: mask}
	case k.File != "":
		return &reload.AckFile{Path: k.File, Destination: k.Destination, Interval: k.Interval, Mask: mask}
	}
	return &reload.AckCommand{Argv: k.Command, Env: env, Interval: k.Interval, Mask: mask}
}

// mask hides the secrets that a group uses in what a command prints.
func (a *Agent) mask(group []*unit) func(string) string {
	var values []any
	var texts []string
	for _, u := range group {
		texts = append(texts, u.text)
		for _, r := range u.uses {
			if e := a.entries[r]; e != nil && e.secret != nil {
				values = append(values, e.secret.Data.Unwrap())
			}
		}
	}
	return func(text string) string {
		m := preview.NewMask(texts...)
		for _, v := range values {
			m.Add(v)
		}
		return m.Hide(text)
	}
}

// firstRefusal and lastRefusal bound the pauses between tries of a rollout
// that the application refuses.
const (
	firstRefusal = 5 * time.Second
	lastRefusal  = 5 * time.Minute
)

package config

import (
	"slices"
	"time"
)

// whole is what all files say together, and what checking it needs to know.
type whole struct {
	*Config
	explicitProxy bool      // there is an api_proxy block
	cacheProxy    *APIProxy // what cache says in its place, or nil
	cacheToken    bool      // use_auto_auth_token is set in cache
	proxyToken    bool      // ... in api_proxy
	rollouts      []*scope  // of Rollouts, in their order
	exec          *scope    // of Exec; nil without a block
	end           ending
	risks         []risk
}

// merge joins what the files say, in their order: blocks replace the whole
// block of an earlier file, templates and listeners are appended, what is
// switched on stays on, and of other values the last that is not empty wins.
func merge(parts []part, strict bool) whole {
	w := whole{Config: &Config{
		Strict:         strict,
		Vault:          Vault{NumRetries: defaultRetries},
		TemplateConfig: defaultTemplateConfig(),
		Leases:         defaultLeases(),
	}}
	var vault, auth, status, exec, other []risk
	for _, p := range parts {
		w.scalars(p)
		w.blocks(p)
		if p.vault != nil {
			w.Vault, vault = *p.vault, p.vaultRisks
		}
		if p.AutoAuth != nil {
			w.AutoAuth, auth = p.AutoAuth, p.authRisks
		}
		if p.Status != nil {
			w.Status, status = p.Status, p.statusRisks
		}
		if p.Exec != nil {
			w.Exec, w.exec, exec = p.Exec, p.exec, p.execRisks
		}
		w.Templates = append(w.Templates, p.Templates...)
		w.Rollouts, w.rollouts = append(w.Rollouts, p.Rollouts...), append(w.rollouts, p.rollouts...)
		w.EnvTemplates = append(w.EnvTemplates, p.EnvTemplates...)
		w.Listeners = append(w.Listeners, p.Listeners...)
		other = append(other, p.otherRisks...)
	}
	w.risks = slices.Concat(vault, auth, status, exec, other)
	if w.explicitProxy = w.APIProxy != nil; !w.explicitProxy {
		w.APIProxy = w.cacheProxy
	}
	if w.Log.RotateDuration == 0 {
		w.Log.RotateDuration = 24 * time.Hour
	}
	settleTmpfs(w.Config)
	w.settleRollouts()
	return w
}

func (w *whole) scalars(p part) {
	w.PIDFile = later(w.PIDFile, p.PIDFile)
	w.LogLevel = later(w.LogLevel, p.LogLevel)
	w.LogFormat = later(w.LogFormat, p.LogFormat)
	w.ClusterName = later(w.ClusterName, p.ClusterName)
	w.TmpfsPolicy = later(w.TmpfsPolicy, p.TmpfsPolicy)
	w.ExitAfterAuth = w.ExitAfterAuth || p.ExitAfterAuth
	w.DisableIdleConns = w.DisableIdleConns.or(p.DisableIdleConns)
	w.DisableKeepAlives = w.DisableKeepAlives.or(p.DisableKeepAlives)
	w.Log.Path = later(w.Log.Path, p.Log.Path)
	w.Log.RotateDuration = orElse(p.Log.RotateDuration, w.Log.RotateDuration)
	if p.StateFile != "" {
		w.StateFile, w.StateFileRange = p.StateFile, p.StateFileRange
	}
	if p.end.word != "" {
		w.end.word, w.end.wordRange = p.end.word, p.end.wordRange
	}
	if p.end.timeout > 0 {
		w.end.timeout, w.end.timeoutR = p.end.timeout, p.end.timeoutR
	}
	if p.rotateBytes != nil {
		w.Log.RotateBytes = *p.rotateBytes
	}
	if p.rotateFiles != nil {
		w.Log.RotateMaxFiles = *p.rotateFiles
	}
}

func (w *whole) blocks(p part) {
	// A block that says nothing but defaults does not undo an earlier one.
	if p.templateConfig != nil && *p.templateConfig != defaultTemplateConfig() {
		w.TemplateConfig = *p.templateConfig
	}
	if p.lease != nil {
		w.Leases = *p.lease
	}
	if p.Telemetry != nil {
		w.Telemetry = p.Telemetry
	}
	if p.Cache != nil {
		w.Cache, w.cacheProxy, w.cacheToken = p.Cache, p.cacheProxy, p.cacheToken
	}
	if p.APIProxy != nil {
		w.APIProxy, w.proxyToken = p.APIProxy, p.proxyToken
	}
}

func (t Traffic) or(o Traffic) Traffic {
	return Traffic{t.AutoAuth || o.AutoAuth, t.Proxying || o.Proxying, t.Templating || o.Templating}
}

func later[T ~string](a, b T) T {
	if b != "" {
		return b
	}
	return a
}

// settleTmpfs fills in the policy where nobody named one.
func settleTmpfs(c *Config) {
	if c.TmpfsPolicy == "" {
		c.TmpfsPolicy = TmpfsWarn
		if c.Strict {
			c.TmpfsPolicy = TmpfsRequire
		}
	}
	for i := range c.Templates {
		c.Templates[i].Tmpfs = later(c.TmpfsPolicy, c.Templates[i].Tmpfs)
	}
}

// settleRollouts fills in what rollouts leave to the lease block, which may
// stand in a later file.
func (w *whole) settleRollouts() {
	for i, s := range w.rollouts {
		r := &w.Rollouts[i]
		if r.Revoke == "" {
			r.Revoke = w.Leases.Revoke
		}
		if s.vals["grace"] == nil {
			r.Grace = w.Leases.Grace
		}
	}
	w.OnExit = OnExit{Revoke: w.end.word == "revoke", Timeout: orElse(w.end.timeout, defaultExitTime), Range: w.end.wordRange}
}

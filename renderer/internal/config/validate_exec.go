package config

import (
	"net/url"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// supervision checks env_template and exec, and refuses them where the caller
// runs no child process. end is where a missing block would have to be written.
func (d *decoder) supervision(w whole, end hcl.Range) {
	d.childOfCommandLine(w, end)
	d.childSignals(w)
	if len(w.EnvTemplates) == 0 && w.Exec == nil {
		return
	}
	at := end
	switch {
	case w.Exec != nil:
		at = w.Exec.Range
	case len(w.EnvTemplates) > 0:
		at = w.EnvTemplates[0].Range
	}
	switch {
	case w.Exec == nil && !d.noLogin:
		d.errorf(at, "Missing exec", "\"env_template\" needs an \"exec\" block at top level, or a command behind -- on the command line: the program that gets the variables.")
	case len(w.EnvTemplates)+len(w.Templates) == 0:
		d.errorf(at, "Missing env_template", "\"exec\" at top level needs at least one \"env_template\" or \"template\" block: what the program waits for.")
	}
	if w.explicitProxy {
		d.errorf(w.APIProxy.Range, "Not together", "\"api_proxy\" cannot be used together with \"env_template\" and \"exec\".")
	}
	d.variables(w)
	d.childSockets(w)
	if w.exec != nil && len(w.Templates) == 0 {
		d.idle(w.exec, "without a \"template\": the program is started again when variables change", "reload_signal")
	}
}

// childOfCommandLine makes the exec block that the command line stands for.
func (d *decoder) childOfCommandLine(w whole, end hcl.Range) {
	if len(d.commandLine) == 0 {
		return
	}
	if w.Exec == nil {
		if len(w.EnvTemplates) > 0 {
			end = w.EnvTemplates[0].Range
		}
		w.Exec = d.supervise(&scope{def: end, sec: superviseSection()})
	}
	if strings.TrimSpace(d.commandLine[0]) == "" {
		d.errorf(w.Exec.Range, "Missing command", "The first word behind -- is the program to run; it must not be empty.")
	}
}

// childSignals settles by which signal rollouts tell the child.
func (d *decoder) childSignals(w whole) {
	for i, r := range w.Rollouts {
		if r.Reload == nil || !r.Reload.Child {
			continue
		}
		s := w.rollouts[i].last("reload")
		switch {
		case w.Exec == nil && !d.noLogin:
			d.errorf(s.at("child"), "Missing exec", "\"child\" is the program of the \"exec\" block at top level, and there is none.")
		case w.Exec != nil && w.Exec.ReloadSignal != "" && s.attrs["signal"] == nil:
			r.Reload.Signal = w.Exec.ReloadSignal
		}
	}
}

// variables wants each to be set once, and its template to be there.
func (d *decoder) variables(w whole) {
	first := map[string]hcl.Range{}
	for _, t := range w.EnvTemplates {
		d.source(t.Source, t.SourceRange)
		if prev, ok := first[t.Variable]; ok && t.Variable != "" {
			d.errorf(t.Range, "Repeated variable", "This variable is set already at %s.", place(prev))
			continue
		}
		first[t.Variable] = t.Range
	}
}

// childSockets wants addresses on which we don't listen ourselves.
func (d *decoder) childSockets(w whole) {
	if w.Exec == nil {
		return
	}
	for _, k := range w.Exec.Sockets {
		for _, l := range w.Listeners {
			if k.Address == l.Address && strings.TrimRight(k.Network, "46") == l.Type {
				d.errorf(k.Range, "Repeated address", "The listener at %s has the same address.", place(l.Range))
			}
		}
		if w.Status != nil && (k.Address == w.Status.Address || unixScheme+k.Address == w.Status.Address) {
			d.errorf(k.Range, "Repeated address", "\"status\" at %s has the same address.", place(w.Status.Range))
		}
	}
}

// hostOf is the host and port of a URL, or "".
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}

package config

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// validate checks what only the whole configuration can show. end is where a
// missing block would have to be written.
func (d *decoder) validate(w whole, end hcl.Range) {
	d.supervision(w, end)
	d.purpose(w, end)
	d.proxying(w)
	d.listeners(w)
	for _, t := range w.Templates {
		d.source(t.Source, t.SourceRange)
	}
	w.Templates = d.destinations(w.Templates)
	d.rollouts(w)
	d.stateFile(w)
	d.statusAddress(w)
	d.ends(w)
}

// destinations leaves one template for each file. Under Vault Agent all of them
// write it, and the last one's text remains.
func (d *decoder) destinations(list []Template) []Template {
	last := map[string]int{}
	for i, t := range list {
		last[filepath.Clean(t.Destination)] = i
	}
	if len(last) == len(list) {
		return list
	}
	var out []Template
	for i, t := range list {
		j := last[filepath.Clean(t.Destination)]
		if i == j || t.Destination == "" {
			out = append(out, t)
			continue
		}
		by := list[j].Range
		say := d.warnf
		if d.strict {
			say = d.errorf
		}
		say(t.Range, "Repeated destination", "The template at %s:%d writes the same file, and comes later: only that one counts.", by.Filename, by.Start.Line)
	}
	return out
}

// purpose wants something to do. Vault Agent also starts without auto_auth if
// there is a cache or a listener; it then never renders anything.
func (d *decoder) purpose(w whole, end hcl.Range) {
	a := w.AutoAuth
	switch {
	case a == nil && d.noLogin:
	case a == nil:
		d.errorf(end, "Missing auto_auth", "The configuration needs an \"auto_auth\" block: how to log in to Vault.")
	case len(a.Sinks)+len(w.Templates)+len(w.EnvTemplates) == 0 && w.Exec == nil && (w.APIProxy == nil || !w.APIProxy.UseAutoAuthToken):
		d.errorf(a.Range, "Nothing to write", "The configuration needs a \"template\" block, or a \"sink\" block in \"auto_auth\".")
	case a.Method.WrapTTL > 0 && len(w.Templates)+len(w.EnvTemplates) > 0:
		d.warnf(a.Method.Range, "Templates without a token", "With \"wrap_ttl\" the token is for the sink's reader alone: no template can be rendered. Move \"wrap_ttl\" into the sink block to have both.")
	}
}

// proxying checks cache and api_proxy, and refuses what needs the proxy.
func (d *decoder) proxying(w whole) {
	if c := w.Cache; c != nil {
		if len(w.Listeners)+len(w.Templates)+len(w.EnvTemplates) == 0 {
			d.errorf(c.Range, "Useless cache", "\"cache\" needs a \"listener\" or a \"template\" that makes use of it.")
		}
		if c.Persist != nil {
			d.notYet(c.Persist.Range, "There is no cache that outlives this program; remove the \"persist\" block.")
		}
		if l := proxyOf(w); l != nil {
			d.notYet(c.Range, "The cache serves the proxy, which this version does not have; remove \"cache\" and the listener. Templates share what they read without it.")
		}
	}
	if p := w.APIProxy; p != nil {
		if p.UseAutoAuthToken && w.AutoAuth != nil && w.AutoAuth.Method.WrapTTL > 0 {
			d.errorf(p.Range, "No token for the proxy", "\"use_auto_auth_token\" cannot be true together with \"wrap_ttl\" in \"method\".")
		}
		if w.explicitProxy && len(w.Listeners) == 0 {
			d.errorf(p.Range, "Missing listener", "\"api_proxy\" needs a \"listener\" block.")
		}
	}
	if w.explicitProxy {
		d.twice(w)
		d.notYet(w.APIProxy.Range, "There is no proxy; let the application read a rendered file or the token sink, and remove \"api_proxy\".")
	}
}

// twice reports what is set in api_proxy and in cache, its older place.
func (d *decoder) twice(w whole) {
	if w.cacheProxy == nil {
		return
	}
	both := func(key string) {
		d.errorf(w.cacheProxy.Range, "Set twice", "%q is set in \"cache\" and in \"api_proxy\"; remove it from \"cache\".", key)
	}
	c, p := w.cacheProxy, w.APIProxy
	if w.cacheToken && w.proxyToken {
		both("use_auto_auth_token")
	}
	if c.EnforceConsistency != "never" && p.EnforceConsistency != "never" {
		both("enforce_consistency")
	}
	if c.WhenInconsistent != "fail" && p.WhenInconsistent != "fail" {
		both("when_inconsistent")
	}
}

func proxyOf(w whole) *Listener {
	for i := range w.Listeners {
		if w.Listeners[i].Role != metricsOnly {
			return &w.Listeners[i]
		}
	}
	return nil
}

func (d *decoder) listeners(w whole) {
	first := map[string]hcl.Range{}
	for _, l := range w.Listeners {
		key := l.Type + " " + l.Address
		if prev, ok := first[key]; ok && !strings.HasSuffix(l.Address, ":0") {
			d.errorf(l.Range, "Repeated address", "The listener at %s:%d has the same address.", prev.Filename, prev.Start.Line)
			continue
		}
		first[key] = l.Range
	}
}

// source wants the template's file to be there: a wrong path would otherwise
// show only once Vault has answered.
func (d *decoder) source(path string, at hcl.Range) { d.exists(path, at, "template") }

// exists wants a file that a key names.
func (d *decoder) exists(path string, at hcl.Range, what string) {
	if path == "" {
		return
	}
	name := strconv.Quote(path)
	if strings.Contains(path, "\n") {
		name = "of that name" // the source line does not show such a path either
	}
	switch info, err := os.Stat(path); {
	case os.IsNotExist(err):
		d.errorf(at, "Missing "+what+" file", "There is no file %s (a relative path starts at the working directory).", name)
	case err != nil:
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		d.errorf(at, "Unreadable "+what+" file", "%s: %s.", name, err)
	case info.IsDir():
		d.errorf(at, "Unreadable "+what+" file", "%s is a directory.", name)
	}
}

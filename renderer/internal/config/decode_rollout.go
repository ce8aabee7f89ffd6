package config

import (
	"slices"
	"strings"
	"time"
)

const (
	defaultCheckTimeout  = 30 * time.Second
	defaultReloadTimeout = 30 * time.Second
	defaultReloadRetries = 3
	defaultAckTimeout    = time.Minute
	defaultAckInterval   = 250 * time.Millisecond
)

// rollout reads one block. What it does not say about revoke and grace is
// filled in by settleRollouts, once all files are read.
func (d *decoder) rollout(s *scope) Rollout {
	r := Rollout{
		Splay:  get(s, "splay", time.Duration(0)),
		Check:  d.check(s.last("check")),
		Reload: d.tell(s.last("reload")),
		Ack:    d.ack(s.last("ack")),
		Revoke: RevokeWhen(get(s, "revoke", "")),
		Grace:  get(s, "grace", time.Duration(0)),
		Range:  s.def,
	}
	if len(s.labels) == 1 && s.labels[0] != "" {
		r.Name = s.labels[0]
	} else {
		d.errorf(s.def, "Missing name", "A \"rollout\" takes one label, its name: rollout \"app\" { ... }. Templates belong to it with rollout = \"app\".")
	}
	return r
}

func (d *decoder) check(s *scope) *Check {
	if s == nil {
		return nil
	}
	c := &Check{Command: d.program(s), Timeout: d.positive(s, "timeout", defaultCheckTimeout, false), Range: s.def}
	switch {
	case len(c.Command) == 0 && valid(s, "command"):
		d.errorf(s.at("command"), "Missing command", "\"check\" needs a \"command\", such as [\"nginx\", \"-t\", \"-c\", \"{}\"], where {} stands for the new files.")
	case shellLine(c.Command) && strings.Contains(c.Command[0], "{}") && !strings.Contains(c.Command[0], "$"):
		d.warnf(s.at("command"), "Not replaced in a shell", "A command in one string runs through sh -c, where {} stands for nothing: write \"$1\" or \"$@\", or a list of words.")
	}
	return c
}

// shellLine holds for a command that runs through sh -c.
func shellLine(command []string) bool {
	return len(command) == 1 && strings.ContainsAny(strings.TrimSpace(command[0]), " \t\n")
}

// program is the value of command; its first word must not be empty.
func (d *decoder) program(s *scope) []string {
	command := get(s, "command", []string(nil))
	if len(command) > 0 && strings.TrimSpace(command[0]) == "" {
		d.errorf(s.at("command"), "Missing command", "The first word of \"command\" is the program to run; it must not be empty.")
	}
	return command
}

// tell reads the reload block of a rollout.
func (d *decoder) tell(s *scope) *Reload {
	if s == nil {
		return nil
	}
	r := &Reload{
		PIDFile: get(s, "pid_file", ""),
		Process: get(s, "process", ""),
		Child:   get(s, "child", false),
		Command: d.program(s),
		URL:     d.url(s, "url"),
		Signal:  get(s, "signal", "SIGHUP"),
		Method:  orElse(get(s, "method", ""), "POST"),
		Timeout: defaultReloadTimeout,
		Retries: get(s, "retries", defaultReloadRetries),
		Range:   s.def,
	}
	switch d.oneWay(s, "how the application is told", "pid_file", "process", "child", "command", "url") {
	case "pid_file", "process", "child":
		d.idle(s, "for a signal, which is sent at once", "timeout", "method")
	case "command":
		d.idle(s, "for a command", "signal", "method")
	case "url":
		d.idle(s, "for a request", "signal")
	}
	if s.attrs["timeout"] != nil && r.PIDFile == "" && r.Process == "" && !r.Child {
		r.Timeout = d.positive(s, "timeout", defaultReloadTimeout, false)
	}
	if strings.Contains(r.Process, "/") {
		d.errorf(s.at("process"), "Invalid value", "\"process\" must be the name of a program, such as \"nginx\", not its path.")
	}
	if r.Retries < 0 {
		d.errorf(s.at("retries"), "Invalid value", "\"retries\" must not be negative; 0 is one try.")
	}
	return r
}

func (d *decoder) ack(s *scope) *Ack {
	if s == nil {
		return nil
	}
	a := &Ack{
		URL:         d.url(s, "url"),
		File:        get(s, "file", ""),
		Command:     d.program(s),
		Destination: get(s, "destination", ""),
		Timeout:     d.positive(s, "timeout", defaultAckTimeout, false),
		Interval:    d.positive(s, "interval", defaultAckInterval, false),
		Range:       s.def,
	}
	if d.oneWay(s, "how the application answers", "url", "file", "command") == "command" {
		d.idle(s, "for a command, which decides by itself", "destination")
	}
	d.looks(s, a.Interval, a.Timeout, "the application would be asked only once")
	return a
}

// looks wants time for more than one.
func (d *decoder) looks(s *scope, interval, timeout time.Duration, otherwise string) {
	if interval < timeout || timeout == 0 {
		return
	}
	at := "interval"
	if s.attrs[at] == nil {
		at = "timeout"
	}
	d.errorf(s.at(at), "Invalid duration", "\"interval\" (%s) must be shorter than \"timeout\" (%s): %s.", interval, timeout, otherwise)
}

// oneWay wants exactly one of the keys to be set, and says which one is.
func (d *decoder) oneWay(s *scope, what string, keys ...string) string {
	set := slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return empty(s.vals[k]) })
	slices.SortFunc(set, func(a, b string) int { return s.at(a).Start.Byte - s.at(b).Start.Byte })
	if len(set) > 0 {
		for _, k := range set[1:] {
			d.errorf(s.attrs[k].NameRange, "More than one way", "%q takes one of %s; %q is on line %d.", s.sec.Name, oneOfKeys(keys), set[0], s.at(set[0]).Start.Line)
		}
		return set[0]
	}
	at := s.def
	for _, k := range keys {
		if !valid(s, k) {
			return "" // that was said
		}
		if s.attrs[k] != nil {
			at = s.at(k)
		}
	}
	d.errorf(at, "Missing setting", "%q needs one of %s: %s.", s.sec.Name, oneOfKeys(keys), what)
	return ""
}

func empty(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case []string:
		return len(v) == 0
	case bool:
		return !v
	}
	return v == nil
}

// oneOfKeys is `"a", "b" and "c"`.
func oneOfKeys(keys []string) string {
	last := len(keys) - 1
	return `"` + strings.Join(keys[:last], `", "`) + `" and "` + keys[last] + `"`
}

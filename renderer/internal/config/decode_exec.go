package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

const (
	defaultKillTimeout = 30 * time.Second
	defaultMaxRestarts = 5
)

func (d *decoder) envTemplate(s *scope) EnvTemplate {
	t := EnvTemplate{
		Variable:          d.variable(s),
		Source:            get(s, "source", ""),
		SourceRange:       s.at("source"),
		Contents:          get(s, "contents", ""),
		ContentsRange:     textRange(s, "contents"),
		ErrorOnMissingKey: get(s, "error_on_missing_key", d.strict),
		ErrorFatal:        get(s, "error_fatal", true),
		LeftDelimiter:     get(s, "left_delimiter", ""),
		RightDelimiter:    get(s, "right_delimiter", ""),
		FunctionDenylist:  denylist(s),
		Range:             s.def,
	}
	d.templateInput(s, t.Source, t.Contents)
	if !d.strict && s.attrs["error_on_missing_key"] == nil {
		d.risk(missingKeys, s.def)
	}
	return t
}

// variable is the label of an env_template. Vault Agent takes any, and a process
// can be given almost any; shells and most languages know less.
func (d *decoder) variable(s *scope) string {
	if len(s.labels) != 1 {
		d.errorf(s.def, "Missing variable", "An \"env_template\" takes one label, the name of the variable: env_template \"NAME\" { ... }.")
		return ""
	}
	name := s.labels[0]
	switch {
	case name == "" || strings.ContainsAny(name, "=\x00"):
		d.errorf(s.label, "Invalid variable", "The label of an \"env_template\" is the name of a variable, such as \"DB_PASSWORD\": not empty, and without \"=\".")
	case isVariable(name):
	case d.strict:
		d.errorf(s.label, "Invalid variable", "%s.", usualVariables)
	default:
		d.warnf(s.label, "Unusual variable", "%s. Shells and many programs will not find this one.", usualVariables)
	}
	return name
}

const usualVariables = "The name of a variable consists of letters, digits and _, and does not begin with a digit"

func isVariable(name string) bool {
	return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(name)
}

func (d *decoder) supervise(s *scope) *Supervise {
	if s == nil {
		return nil
	}
	x := &Supervise{
		Command:                d.childCommand(s),
		RestartOnSecretChanges: Restart(orElse(get(s, "restart_on_secret_changes", ""), string(RestartAlways))),
		StopSignal:             d.stopSignal(s),
		KillTimeout:            d.positive(s, "kill_timeout", defaultKillTimeout, false),
		ReloadSignal:           get(s, "reload_signal", ""),
		Splay:                  get(s, "splay", time.Duration(0)),
		StartTimeout:           get(s, "start_timeout", time.Duration(0)),
		Env:                    d.execEnv(s.last("env")),
		VaultToken:             get(s, "vault_token", false),
		WorkingDir:             get(s, "working_dir", ""),
		User:                   get(s, "user", ""),
		Group:                  get(s, "group", ""),
		Stdin:                  get(s, "stdin", true),
		Stdout:                 get(s, "child_process_stdout", ""),
		Stderr:                 get(s, "child_process_stderr", ""),
		Ready:                  d.ready(s.last("ready")),
		Sockets:                d.sockets(s.blocks["socket"]),
		MaxRestarts:            get(s, "max_restarts", defaultMaxRestarts),
		Range:                  s.def,
	}
	d.childValues(s, x)
	d.rollingSockets(x, s.last("ready"))
	return x
}

func (d *decoder) childValues(s *scope, x *Supervise) {
	if info, err := os.Stat(x.WorkingDir); err == nil && !info.IsDir() {
		d.errorf(s.at("working_dir"), "Invalid value", "\"working_dir\" must be a directory; this is a file.")
	}
	if x.MaxRestarts < 0 {
		d.errorf(s.at("max_restarts"), "Invalid value", "\"max_restarts\" must not be negative; 0 means that the program is not started again.")
	}
	if x.RestartOnSecretChanges == RestartRolling && s.last("ready") == nil {
		d.errorf(s.at("restart_on_secret_changes"), "Missing ready", "\"rolling\" stops the old program when the new one is ready, and needs a \"ready\" block that says when that is: ready { url = \"http://127.0.0.1:8080/health\" }.")
	}
}

// childCommand is exec's command, unless the command line has one.
func (d *decoder) childCommand(s *scope) []string {
	if len(d.commandLine) > 0 {
		return d.commandLine
	}
	command := get(s, "command", []string(nil))
	if (len(command) == 0 || strings.TrimSpace(command[0]) == "") && valid(s, "command") {
		d.errorf(s.at("command"), "Missing command", "\"exec\" needs a command: a list such as [\"/usr/bin/app\", \"--verbose\"].")
	}
	return command
}

// stopSignal has two names: Vault Agent's and consul-template's.
func (d *decoder) stopSignal(s *scope) string {
	if first, second := s.attrs["restart_stop_signal"], s.attrs["kill_signal"]; first != nil && second != nil {
		d.errorf(second.NameRange, "Set twice", "\"kill_signal\" is another name of \"restart_stop_signal\", which is set on line %d; remove one of the two.", first.NameRange.Start.Line)
	}
	return get(s, "restart_stop_signal", get(s, "kill_signal", "SIGTERM"))
}

func (d *decoder) execEnv(s *scope) ExecEnv {
	if s == nil {
		return ExecEnv{}
	}
	e := ExecEnv{
		Pristine:  get(s, "pristine", false),
		Custom:    get(s, "custom", []string(nil)),
		Allowlist: get(s, "allowlist", []string(nil)),
		Denylist:  get(s, "denylist", []string(nil)),
		Range:     s.def,
	}
	for i, kv := range e.Custom {
		if name, value, _ := strings.Cut(kv, "="); !isVariable(name) || name == kv || strings.Contains(value, "\x00") {
			d.errorf(s.at("custom"), "Invalid variable", "Every element of \"custom\" must be NAME=value; element %d is not. %s.", i+1, usualVariables)
		}
	}
	d.patterns(s, "allowlist", e.Allowlist)
	d.patterns(s, "denylist", e.Denylist)
	if e.Pristine {
		d.idle(s, "with pristine = true", "allowlist", "denylist")
	}
	return e
}

// patterns wants names of variables, or patterns for them.
func (d *decoder) patterns(s *scope, key string, list []string) {
	for i, p := range list {
		if _, err := filepath.Match(p, ""); err != nil || p == "" || strings.Contains(p, "=") {
			d.errorf(s.at(key), "Invalid pattern", "Every element of %q must be the name of a variable, or a pattern such as \"LC_*\"; element %d is not.", key, i+1)
		}
	}
}

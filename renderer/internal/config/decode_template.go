package config

import (
	"strconv"
	"time"

	"github.com/hashicorp/hcl/v2"
)

const defaultCommandTimeout = 30 * time.Second

func (d *decoder) template(s *scope) Template {
	t := Template{
		Source:            get(s, "source", ""),
		SourceRange:       s.at("source"),
		Contents:          get(s, "contents", ""),
		Destination:       get(s, "destination", ""),
		CreateDestDirs:    get(s, "create_dest_dirs", true),
		ErrorOnMissingKey: get(s, "error_on_missing_key", d.strict),
		ErrorFatal:        get(s, "error_fatal", true),
		Perms:             d.filePerms(s),
		User:              d.owner(s, "user", "uid"),
		Group:             d.owner(s, "group", "gid"),
		LeftDelimiter:     get(s, "left_delimiter", ""),
		RightDelimiter:    get(s, "right_delimiter", ""),
		Backup:            get(s, "backup", false),
		SandboxPath:       get(s, "sandbox_path", ""),
		FunctionDenylist:  denylist(s),
		Wait:              d.wait(s),
		Tmpfs:             Tmpfs(get(s, "tmpfs", "")),
		AllowEmpty:        get(s, "allow_empty", false),
		Exec:              d.exec(s),
		Signal:            d.reload(s.last("reload")),
		Rollout:           get(s, "rollout", ""),
		RolloutRange:      s.at("rollout"),
		Range:             s.def,
	}
	if t.Name = t.Destination; len(s.labels) > 0 {
		t.Name = s.labels[0]
	}
	t.ContentsRange = textRange(s, "contents")
	d.templateInput(s, t.Source, t.Contents)
	if t.Destination == "" && valid(s, "destination") {
		d.errorf(s.at("destination"), "Missing destination", "The template needs a \"destination\": the file to write.")
	}
	if !d.strict {
		d.templateRisks(s)
	}
	return t
}

func (d *decoder) templateRisks(s *scope) {
	if get(s, "perms", uint32(0)) == 0 {
		d.risk(noPerms, s.def)
	}
	if s.attrs["error_on_missing_key"] == nil {
		d.risk(missingKeys, s.def)
	}
}

// textRange is where the characters of a string stand.
func textRange(s *scope, name string) hcl.Range {
	if a := s.attrs[name]; a != nil {
		if n, ok := a.Expr.(*node); ok {
			return n.text
		}
	}
	return hcl.Range{}
}

func denylist(s *scope) []string {
	return append(get(s, "function_denylist", []string(nil)), get(s, "function_blacklist", []string(nil))...)
}

// wait reads the block or the string. Without a shortest wait there is none at
// all, as in Vault Agent.
func (d *decoder) wait(s *scope) *Wait {
	w := get(s, "wait", Wait{})
	if b := s.last("wait"); b != nil {
		w = Wait{Min: get(b, "min", time.Duration(0))}
		w.Max = get(b, "max", 4*w.Min)
		if w.Min > w.Max {
			d.warnf(b.at("min"), "Shortest wait above the longest", "No render is held back longer than \"max\" (%s).", w.Max)
			w.Min = w.Max
		}
		if !get(b, "bool", true) {
			return nil
		}
	}
	if w.Min == 0 {
		return nil
	}
	return &w
}

// valid is false for a key whose value was already reported as wrong.
func valid(s *scope, name string) bool { return s.attrs[name] == nil || s.vals[name] != nil }

// templateInput wants exactly one of source and contents; an empty one counts
// as not set, as in Vault Agent.
func (d *decoder) templateInput(s *scope, source, contents string) {
	switch {
	case source != "" && contents != "":
		d.errorf(s.attrs["contents"].NameRange, "Both source and contents", "A template takes either \"source\" or \"contents\"; \"source\" is on line %d.", s.attrs["source"].NameRange.Start.Line)
	case source == "" && contents == "" && valid(s, "source") && valid(s, "contents"):
		at := s.def
		for _, k := range []string{"source", "contents"} {
			if s.attrs[k] != nil {
				at = s.at(k)
			}
		}
		d.errorf(at, "Missing template", "A template needs \"source\" (a file) or \"contents\" (the text), and it must not be empty.")
	}
}

// filePerms of 0 mean "not set", as in Vault Agent.
func (d *decoder) filePerms(s *scope) uint32 {
	def := uint32(0)
	if d.strict {
		def = 0o600
	}
	p := get(s, "perms", def)
	if p == 0 && s.vals["perms"] != nil {
		d.warnf(s.at("perms"), "Permissions of 0", "Permissions of 0 count as not set, as in Vault Agent.")
		return def
	}
	return p
}

// owner is user or group, or else the older uid or gid; -1 there means "leave it".
func (d *decoder) owner(s *scope, name, older string) string {
	id := get(s, older, -1)
	if id < -1 {
		d.errorf(s.at(older), "Invalid value", "%q must be a numeric id.", older)
	}
	v := get(s, name, "")
	if v == "" && id >= 0 {
		return strconv.Itoa(id)
	}
	return v
}

// exec reads the exec block, or else command and command_timeout.
func (d *decoder) exec(s *scope) *Exec {
	older := get(s, "command", []string{})
	x := s.last("exec")
	if x == nil {
		if len(older) == 0 {
			return nil
		}
		return &Exec{Command: older, Timeout: get(s, "command_timeout", defaultCommandTimeout), Range: s.attrs["command"].NameRange}
	}
	if len(older) > 0 {
		d.warnf(s.attrs["command"].NameRange, "Ignored command", "The \"exec\" block on line %d counts; \"command\" is ignored.", x.def.Start.Line)
	}
	e := &Exec{
		Command: get(x, "command", []string{}),
		Timeout: get(x, "timeout", defaultCommandTimeout),
		Range:   x.def,
	}
	if len(e.Command) == 0 && valid(x, "command") {
		d.warnf(x.at("command"), "No command", "\"exec\" without a command does nothing; write one such as command = [\"nginx\", \"-s\", \"reload\"].")
		return nil
	}
	if len(e.Command) > 0 && e.Command[0] == "" {
		d.errorf(x.at("command"), "Missing command", "The first word of \"command\" is the program to run; it must not be empty.")
	}
	return e
}

func (d *decoder) reload(s *scope) *Signal {
	if s == nil {
		return nil
	}
	out := &Signal{PIDFile: get(s, "pid_file", ""), Signal: get(s, "signal", "SIGHUP"), Range: s.def}
	if out.PIDFile == "" && valid(s, "pid_file") {
		d.errorf(s.at("pid_file"), "Missing pid_file", "\"reload\" needs a \"pid_file\": the file that holds the id of the process to signal.")
	}
	return out
}

package config

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// rollouts checks how rollouts and templates fit together.
func (d *decoder) rollouts(w whole) {
	first := map[string]hcl.Range{}
	var names []string
	for _, r := range w.Rollouts {
		if prev, ok := first[r.Name]; ok && r.Name != "" {
			d.errorf(r.Range, "Repeated rollout", "There is a rollout of this name at %s:%d; a rollout is one block.", prev.Filename, prev.Start.Line)
			continue
		}
		first[r.Name], names = r.Range, append(names, r.Name)
	}
	for _, t := range w.Templates {
		if _, ok := first[t.Rollout]; !ok && t.Rollout != "" {
			d.unknownRollout(t.RolloutRange, t.Rollout, names)
		}
	}
	for i, r := range w.Rollouts {
		var files []string
		for _, t := range w.Templates {
			if t.Rollout == r.Name {
				files = append(files, t.Destination)
			}
		}
		if r.Name != "" {
			d.oneRollout(r, w.rollouts[i], files)
		}
	}
}

func (d *decoder) unknownRollout(at hcl.Range, name string, names []string) {
	hint := didYouMean(name, names)
	switch {
	case len(names) == 0:
		hint = " Write one: rollout \"app\" { ... }."
	case hint == "":
		hint = " Those there are: " + strings.Join(names, ", ") + "."
	}
	d.errorf(at, "Unknown rollout", "There is no rollout of that name.%s", hint)
}

// oneRollout checks what a rollout says about its files.
func (d *decoder) oneRollout(r Rollout, s *scope, files []string) {
	if len(files) == 0 {
		d.warnf(r.Range, "Rollout without templates", "No template belongs to this rollout, and so it does nothing: write rollout = %q into the templates whose files change together.", r.Name)
	}
	if r.Check != nil && len(files) > 0 {
		d.placeholders(r.Check.Command, s.last("check").at("command"), files)
	}
	if r.Ack != nil {
		d.ackFiles(r.Ack, s.last("ack"), files)
	}
	switch {
	case r.Revoke == RevokeAcked && r.Ack == nil && s.vals["revoke"] != nil:
		d.warnf(s.at("revoke"), "No effect", "Without an \"ack\" block, revoke = \"acked\" revokes nothing: the credentials lapse. Add the block, or write revoke = \"always\".")
	case r.Revoke == RevokeNever, r.Revoke == RevokeAcked && r.Ack == nil:
		d.idle(s, "where nothing is revoked", "grace")
	}
}

// placeholders wants {/path} in a check to be one of the rollout's files, and
// spells it as the template does. Other things in braces are words for the command.
func (d *decoder) placeholders(command []string, at hcl.Range, files []string) {
	if shellLine(command) {
		return
	}
	for i, word := range command {
		path, ok := strings.CutPrefix(word, "{")
		path, closed := strings.CutSuffix(path, "}")
		if !ok || !closed || !strings.Contains(path, "/") || strings.ContainsAny(path, "{}\"' \t\n") {
			continue
		}
		if f := find(path, files); f != "" {
			command[i] = "{" + f + "}"
			continue
		}
		d.errorf(at, "Unknown file", "A word in braces stands for a file of this rollout, and one of them is none.%s", nearestFile(path, files))
	}
}

// ackFiles checks the paths of an ack block.
func (d *decoder) ackFiles(a *Ack, s *scope, files []string) {
	if a.Destination != "" && len(files) > 0 {
		f := find(a.Destination, files)
		if f == "" {
			d.errorf(s.at("destination"), "Unknown destination", "\"destination\" must be the destination of a template of this rollout.%s", nearestFile(a.Destination, files))
		}
		a.Destination = orElse(f, a.Destination)
	}
	if find(a.File, files) != "" {
		d.errorf(s.at("file"), "Same file", "A template of this rollout writes this file; \"file\" is where the application writes the digest that it uses.")
	}
}

// find is the one of the files that a path names, as the template spells it, or "".
func find(path string, files []string) string {
	for _, f := range files {
		if same(path, f) {
			return f
		}
	}
	return ""
}

// same holds for two spellings of one path; an empty one names nothing.
func same(a, b string) bool { return a != "" && b != "" && absolute(a) == absolute(b) }

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return filepath.Clean(path)
}

func nearestFile(path string, files []string) string {
	if hint := didYouMean(path, files); hint != "" {
		return hint
	}
	quoted := make([]string, 0, len(files))
	for _, f := range files {
		quoted = append(quoted, strconv.Quote(f))
	}
	return " Its files: " + strings.Join(quoted, ", ") + "."
}

// ends checks what becomes of everything when the program ends.
func (d *decoder) ends(w whole) {
	switch {
	case w.OnExit.Revoke && w.ExitAfterAuth:
		d.errorf(w.OnExit.Range, "Not together", "With \"exit_after_auth\" this would remove the files as soon as they are written; remove \"on_exit\".")
	case (w.end.word == "" || w.end.word == "keep") && w.end.timeout > 0:
		d.warnf(w.end.timeoutR, "No effect", "\"on_exit_timeout\" has no effect without on_exit = \"revoke\".")
	}
}

// stateFile wants a file of its own: it is written over and over.
func (d *decoder) stateFile(w whole) {
	if w.StateFile == "" {
		return
	}
	if what := w.user(w.StateFile); what != "" {
		d.errorf(w.StateFileRange, "Same file", "\"state_file\" must be a file of its own; this one is also %s.", what)
	}
	if info, err := os.Stat(w.StateFile); err == nil && info.IsDir() || strings.HasSuffix(w.StateFile, "/") {
		d.errorf(w.StateFileRange, "Invalid value", "\"state_file\" must be a file; this is a directory.")
	}
}

// user says who else uses a file, or "".
func (w whole) user(path string) string {
	for _, t := range w.Templates {
		if same(path, t.Destination) || t.Backup && same(path, t.Destination+".bak") {
			return "written by the template at " + place(t.Range)
		}
	}
	for _, r := range w.Rollouts {
		switch {
		case r.Ack != nil && same(path, r.Ack.File):
			return "the \"file\" of the ack at " + place(r.Ack.Range)
		case r.Reload != nil && same(path, r.Reload.PIDFile):
			return "the \"pid_file\" of the reload at " + place(r.Reload.Range)
		}
	}
	if what := w.childsFile(path); what != "" {
		return what
	}
	if w.AutoAuth != nil {
		for _, s := range w.AutoAuth.Sinks {
			if same(path, s.Path) {
				return "the sink at " + place(s.Range)
			}
		}
		if r := w.AutoAuth.Method.AppRole; r != nil && (same(path, r.SecretIDFilePath) || same(path, r.RoleIDFilePath)) {
			return "a file of the method at " + place(w.AutoAuth.Method.Range)
		}
	}
	switch {
	case same(path, w.PIDFile):
		return "the \"pid_file\""
	case same(path, w.Log.Path):
		return "the \"log_file\""
	case w.Status != nil && same(path, strings.TrimPrefix(w.Status.Address, unixScheme)):
		return "the socket at " + place(w.Status.Range)
	}
	return ""
}

// childsFile says for what exec uses a file, or "".
func (w whole) childsFile(path string) string {
	x := w.Exec
	if x == nil {
		return ""
	}
	for _, k := range x.Sockets {
		if same(path, k.Address) {
			return "the socket at " + place(k.Range)
		}
	}
	if same(path, x.Stdout) || same(path, x.Stderr) {
		return "where the program of exec at " + place(x.Range) + " writes"
	}
	if x.Ready != nil && same(path, x.Ready.File) {
		return "the \"file\" of \"ready\" at " + place(x.Ready.Range)
	}
	return ""
}

func place(r hcl.Range) string { return r.Filename + ":" + strconv.Itoa(r.Start.Line) }

// statusAddress wants an address that no listener has.
func (d *decoder) statusAddress(w whole) {
	if w.Status == nil {
		return
	}
	for _, l := range w.Listeners {
		addr := l.Address
		if l.Type == "unix" {
			addr = unixScheme + addr
		}
		if addr == w.Status.Address && !strings.HasSuffix(addr, ":0") {
			d.errorf(w.Status.Range, "Repeated address", "The listener at %s has the same address.", place(l.Range))
		}
	}
}

package dropin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// result is what a program did, in named parts that can be compared.
type result struct {
	parts  map[string]string
	files  map[string]bool // that are there at the end
	output string          // not compared
}

func newResult() *result {
	return &result{parts: map[string]string{}, files: map[string]bool{}}
}

func (r *result) set(part, text string) { r.parts[part] = text }

// differ names the parts in which two results differ.
func differ(a, b *result) []string {
	var names []string
	for name, text := range a.parts {
		if other, ok := b.parts[name]; !ok || other != text {
			names = append(names, name)
		}
	}
	for name := range b.parts {
		if _, ok := a.parts[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// look puts every file of the sandbox into the result.
func (r *run) look(prefix string) error {
	if prefix == "" {
		r.result.files = map[string]bool{}
	}
	return filepath.WalkDir(r.s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(r.s.dir, path)
		if err != nil || name == "." {
			return err
		}
		text, err := r.describe(name, path)
		if err != nil {
			return fmt.Errorf("look at %s: %w", name, err)
		}
		if prefix == "" {
			r.result.files[name] = true
		}
		r.result.set(prefix+"file "+r.partName(name), text)
		return nil
	})
}

// partName is the file's name, or the pattern of an "opaque" directive, for
// names that are new every time.
func (r *run) partName(name string) string {
	for _, words := range r.c.compare {
		if ok, _ := filepath.Match(words[1], name); ok && words[0] == "opaque" {
			return words[1]
		}
	}
	return name
}

// describe is a file's type, mode, owner and, reduced, its content.
func (r *run) describe(name, path string) (string, error) {
	st, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	sys := st.Sys().(*syscall.Stat_t)
	head := fmt.Sprintf("%v %d:%d\n", st.Mode(), sys.Uid, sys.Gid)
	switch {
	case st.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return head + "-> " + r.s.reduce(target), err
	case !st.Mode().IsRegular():
		return head, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrPermission) {
		return head + "(unreadable)", nil
	}
	if err != nil {
		return "", err
	}
	text, err := r.content(name, string(b))
	return head + text, err
}

// content is what of a file's content is compared.
func (r *run) content(name, text string) (string, error) {
	for _, words := range r.c.compare {
		if ok, _ := filepath.Match(words[1], name); !ok {
			continue
		}
		switch words[0] {
		case "opaque":
			return "(opaque)", nil
		case "log":
			return logShape(text), nil
		case "token":
			return r.s.w.describeToken(text), nil
		case "wrapped":
			return r.s.w.describeWrapped(text), nil
		case "encrypted":
			return r.s.w.describeEncrypted(text, words[2:]), nil
		case "mask":
			re, err := regexp.Compile(words[2])
			if err != nil {
				return "", err
			}
			text = re.ReplaceAllString(text, "***")
		}
	}
	return r.s.reduce(text), nil
}

var (
	standardLine = regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d{4}|[+-]\d\d:\d\d) \[(\w+)\] +\S`)
	jsonLine     = regexp.MustCompile(`(?m)^\{.*"@level":"(\w+)"`)
)

// logShape says of a log its format and its least severe level.
func logShape(text string) string {
	format, lines := "standard", standardLine.FindAllStringSubmatch(text, -1)
	if found := jsonLine.FindAllStringSubmatch(text, -1); len(found) > 0 {
		format, lines = "json", found
	}
	if len(lines) == 0 {
		return "no log"
	}
	order := []string{"trace", "debug", "info", "warn", "error"}
	least := len(order) - 1
	for _, l := range lines {
		level := strings.ToLower(l[1])
		if i := slices.Index(order, level); i >= 0 {
			least = min(least, i)
		}
	}
	// Who logs what at the levels for developers is nobody's contract.
	return format + " from " + order[max(least, slices.Index(order, "info"))]
}

package tmpl

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"vault-renderer/renderer/internal/vault"
)

// file gives the content of a local file.
func (t *Template) file(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	name = strings.TrimSpace(name)
	if name == "" {
		return "", errEmptyPath
	}
	if err := inside(t.spec.Sandbox, name); err != nil {
		return "", err
	}
	v, err := t.run.once(vault.Request{Method: vault.MethodFile, Path: name}, func(s *vault.Secret) any {
		content, _ := s.Data.Unwrap()["content"].(string)
		return content
	})
	content, _ := v.(string)
	return content, err
}

// inside refuses a file that is not below the sandbox, wherever symbolic links
// lead. An empty sandbox is none.
func inside(sandbox, name string) error {
	if sandbox == "" {
		return nil
	}
	root, err := resolve(sandbox)
	if err != nil {
		return fmt.Errorf("sandbox_path: %w", err)
	}
	target, err := resolve(name)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(root, target)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return fmt.Errorf("%s is outside of sandbox_path (%s)", name, sandbox)
	}
	return nil
}

func resolve(p string) (string, error) {
	abs, err := filepath.Abs(p)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

func (t *Template) lookupEnv(name string) (string, bool) {
	if t.spec.Env == nil {
		return "", false
	}
	v, set := t.spec.Env(name)
	if v != "" {
		t.run.outside = append(t.run.outside, v)
	}
	return v, set
}

func (t *Template) env(name string) string { v, _ := t.lookupEnv(name); return v }

func (t *Template) mustEnv(name string) (string, error) {
	if v := t.env(name); v != "" {
		return v, nil
	}
	return "", fmt.Errorf("the environment variable %s is not set, or empty", name)
}

func (t *Template) envOrDefault(name, def string) string {
	if v, set := t.lookupEnv(name); set {
		return v
	}
	return def
}

// WriteFile is a side file that a template asks for with writeToFile.
type WriteFile struct {
	Path        string
	User, Group string      // names or numbers; "" = as the process
	Perms       fs.FileMode // exactly these
	Append      bool        // to what is there; such a file's directory must be there too
	Content     []byte      // with the line break that "newline" asks for
}

// writeToFile notes a file to write. It is written once the template as a
// whole has succeeded, by whoever executed it.
func (t *Template) writeToFile(path, user, group, perms string, rest ...string) (string, error) {
	if len(rest) == 0 {
		return "", errors.New("the content is missing: path, user, group, permissions, flags, content")
	}
	mode, err := strconv.ParseUint(perms, 8, 32)
	if err != nil {
		return "", fmt.Errorf("%s: the permissions are no octal number such as \"0640\"", path)
	}
	flags := ""
	if len(rest) == 2 {
		flags = rest[0]
	}
	w := WriteFile{
		Path: path, User: user, Group: group, Perms: fs.FileMode(mode),
		Append: strings.Contains(flags, "append"), Content: []byte(rest[len(rest)-1]),
	}
	if strings.Contains(flags, "newline") {
		w.Content = append(w.Content, '\n')
	}
	if t.run.written += len(w.Content); t.run.written > t.spec.MaxOutput {
		return "", t.tooLarge()
	}
	t.run.writes = append(t.run.writes, w)
	return "", nil
}

// plugin runs a program and gives what it prints.
func (t *Template) plugin(name string, args ...string) (string, error) {
	if name == "" {
		return "", nil
	}
	if t.spec.Plugin == nil {
		return "", fmt.Errorf("%s: programs are not run here", name)
	}
	if err := t.onTime(); err != nil {
		return "", err
	}
	var given []string
	for _, a := range args {
		if a = strings.TrimSpace(a); a != "" {
			given = append(given, a)
		}
	}
	out, err := t.spec.Plugin(name, given)
	if err != nil {
		return "", &libraryError{name + ": the program failed", err}
	}
	out = strings.TrimSpace(out)
	t.run.outside = append(t.run.outside, out)
	return out, nil
}

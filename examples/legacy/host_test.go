package legacy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// host is a directory that stands for a machine's root.
type host struct {
	w       *world
	set     set
	root    string
	program string // the name of the agent's program
	renamed bool
	changes []change // what README.md says to change
}

func newHost(t *testing.T, w *world, s set, y way) (*host, error) {
	p := y.program(w)
	h := &host{
		w: w, set: s, program: p[0], renamed: y.renamed,
		root: filepath.Join(w.dir, s.name, strings.ReplaceAll(y.name, " ", "-")),
	}
	if h.renamed {
		h.changes = changes(t)
	}
	for _, dir := range []string{"usr/local/bin", "usr/bin", "run", "var/log", "home"} {
		if err := os.MkdirAll(h.path(dir), 0o755); err != nil {
			return nil, err
		}
	}
	for _, dir := range []string{"usr/local/bin", "usr/bin"} {
		if err := os.Symlink(p[1], h.path(dir+"/"+p[0])); err != nil {
			return nil, err
		}
	}
	// Hooks call it; nothing else happens.
	return h, h.script("usr/bin/systemctl", `echo "$*" >>/var/log/systemctl.calls`)
}

func (h *host) path(name string) string { return filepath.Join(h.root, name) }

func (h *host) has(name string) bool {
	st, err := os.Stat(h.path(name))
	return err == nil && st.Size() > 0
}

// calls are the different ones of systemctl. Which comes first, and whether two
// templates with the same hook are ready at the same moment, is nobody's promise.
func (h *host) calls() []string {
	b, err := os.ReadFile(h.path("var/log/systemctl.calls"))
	if err != nil {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	slices.Sort(lines)
	return slices.Compact(lines)
}

func (h *host) script(name, text string) error {
	return h.write(name, "#!/bin/sh\n"+h.local(text)+"\n", 0o755)
}

func (h *host) write(name, text string, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(h.path(name)), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(h.path(name), []byte(text), mode); err != nil {
		return err
	}
	return os.Chmod(h.path(name), mode)
}

// source reads a file of the sets, with README.md's change where there is one.
func (h *host) source(name string) (string, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	text := string(b)
	for _, c := range h.changes {
		if c.file != name {
			continue
		}
		if n := strings.Count("\n"+text, "\n"+c.from+"\n"); n != 1 {
			return "", fmt.Errorf("README.md: the line %q is %d times in %s", c.from, n, name)
		}
		text = strings.TrimPrefix(strings.Replace("\n"+text, "\n"+c.from+"\n", "\n"+c.to+"\n", 1), "\n")
	}
	return text, nil
}

var (
	absolute = regexp.MustCompile(`(?m)(^|[<>\s"'=:,\[(-])(/(?:etc|run|var|usr/local/bin|usr/bin/vault|usr/bin/systemctl)\b)`)
	owner    = regexp.MustCompile(`(?m)^(\s*user\s*=\s*)"[\w-]+"`)
	group    = regexp.MustCompile(`(?m)^(\s*group\s*=\s*)"[\w-]+"`)
)

// local makes a text that is good for the root of a machine good for this
// host: its paths, its accounts, the address of its Vault. Nothing else.
func (h *host) local(text string) string {
	text = strings.ReplaceAll(text, "/var/run/", "/run/")
	text = absolute.ReplaceAllString(text, "${1}"+h.root+"${2}")
	text = owner.ReplaceAllString(text, `${1}"`+h.w.user+`"`)
	text = group.ReplaceAllString(text, `${1}"`+h.w.group+`"`)
	return strings.ReplaceAll(text, "https://vault.example.com:8200", h.w.address)
}

// place puts a text for a path of a machine.
func (h *host) place(path, text string, mode fs.FileMode) error {
	return h.write(path, h.local(text), mode)
}

// installTree copies a set whose files lie as on a machine.
func installTree(h *host) error {
	return filepath.WalkDir(h.set.name, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := h.source(path)
		if err != nil {
			return err
		}
		return h.place(strings.TrimPrefix(path, h.set.name), text, 0o640)
	})
}

// change is one line that README.md says to change.
type change struct{ file, from, to string }

// changes reads the diffs of README.md. They change nothing but the word.
func changes(t *testing.T) []change {
	t.Helper()
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []change
	file, from, in := "", "", false
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			in = line == "```diff"
		case !in:
		case strings.HasPrefix(line, "--- "):
			file = line[4:]
		case strings.HasPrefix(line, "-"):
			from = line[1:]
		case strings.HasPrefix(line, "+"):
			all = append(all, change{file, from, line[1:]})
		default:
			t.Fatalf("README.md: what is %q in a diff?", line)
		}
	}
	return all
}

// TestChangesAreOneWord: that is the promise.
func TestChangesAreOneWord(t *testing.T) {
	all := changes(t)
	for _, c := range all {
		if c.from == c.to || strings.ReplaceAll(c.to, "vault-renderer", "vault") != c.from {
			t.Errorf("%s: %q becomes %q", c.file, c.from, c.to)
		}
	}
	for _, s := range sets() {
		if !slices.ContainsFunc(all, func(c change) bool { return strings.HasPrefix(c.file, s.name+"/") }) {
			t.Errorf("README.md says nothing of %s", s.name)
		}
	}
}

// What comes to a host in other ways than by its files.

func deliverAppRole(h *host) error {
	return errors.Join(
		h.write("etc/vault-agent.d/ca.pem", h.w.ca.Cert, 0o644),
		h.fill("etc/vault-agent.d/role_id", "read", "auth/approle/role/notes-host/role-id", "role_id", ""),
		h.fill("var/lib/vault-agent/secret_id", "write", "auth/approle/role/notes-host/secret-id", "secret_id", ""),
	)
}

func deliverWrapped(h *host) error {
	return errors.Join(
		h.write("etc/vault-agent/ca.pem", h.w.ca.Cert, 0o644),
		h.fill("etc/vault-agent/role_id", "read", "auth/approle/role/notes-host/role-id", "role_id", ""),
		h.fill("etc/vault-agent/wrapped_secret_id", "write", "auth/approle/role/notes-host/secret-id", "", "10m"),
	)
}

func deliverCertificate(h *host) error {
	return errors.Join(
		h.write("etc/vault-agent/tls/ca.pem", h.w.ca.Cert, 0o644),
		h.write("etc/vault-agent/tls/host.pem", h.w.hostCert, 0o644),
		h.write("etc/vault-agent/tls/host.key", h.w.hostKey, 0o600),
	)
}

func deliverServiceAccount(h *host) error {
	return errors.Join(
		os.MkdirAll(h.path("run/notes"), 0o700),
		h.write("etc/vault-agent/ca.pem", h.w.ca.Cert, 0o644),
		// Where /var/run/secrets is, as local says.
		h.write("run/secrets/tokens/vault", serviceAccount("notes")+"\n", 0o600),
	)
}

// fill writes what Vault hands out, with a newline as an editor leaves it.
func (h *host) fill(name, method, path, field, wrapTTL string) error {
	v, err := h.w.read(method, path, field, wrapTTL)
	if err != nil {
		return err
	}
	return h.write(name, v+"\n", 0o600)
}

package legacy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vault-renderer/testbed/vaultserver"
)

const page = "../../docs/migrating-from-vault-agent.md"

func readPage(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// fenced gives the blocks of a kind that stand in a Markdown text.
func fenced(text, kind string) []string {
	var all []string
	for _, m := range regexp.MustCompile("(?s)\n```"+kind+"\n(.*?)\n```").FindAllStringSubmatch(text, -1) {
		all = append(all, m[1]+"\n")
	}
	return all
}

// emptyHost is a host with nothing but the places that the page names.
func emptyHost(t *testing.T) *host {
	t.Helper()
	dir, err := os.MkdirTemp(tmpfsDir(), "vault-renderer-page-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &world{dir: dir, address: "https://127.0.0.1:8200", renderer: filepath.Join(dir, "vault-renderer")}
	w.accounts()
	if out, err := exec.Command("go", "build", "-o", w.renderer, "vault-renderer/renderer").CombinedOutput(); err != nil {
		t.Fatalf("build vault-renderer: %v\n%s", err, out)
	}
	h := &host{w: w, root: filepath.Join(dir, "host")}
	if err := h.write("run/vault-agent/token", "canary-token", 0o600); err != nil {
		t.Fatal(err)
	}
	h.set.name = "systemd-host"
	if err := installTree(h); err != nil {
		t.Fatal(err)
	}
	return h
}

// TestPageValidates: every configuration on the page is one.
func TestPageValidates(t *testing.T) {
	h := emptyHost(t)
	blocks := fenced(readPage(t), "hcl")
	if len(blocks) < 3 {
		t.Fatalf("only %d configurations", len(blocks))
	}
	for _, block := range blocks {
		if err := h.place("page.hcl", block, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := h.validate("page.hcl"); err != nil {
			t.Errorf("%s\n%v", block, err)
		}
	}
}

// validate is the first step of the page.
func (h *host) validate(config ...string) error {
	args := []string{"validate"}
	for _, name := range config {
		args = append(args, "-config="+h.path(name))
	}
	out, err := exec.Command(h.w.renderer, args...).CombinedOutput()
	if err == nil && strings.Contains(string(out), "Unknown key") {
		err = errors.New("a key is unknown")
	}
	if err != nil {
		return fmt.Errorf("validate: %w\n%s", err, out)
	}
	return nil
}

// TestPageDiffsAreOneWord: as those of README.md.
func TestPageDiffsAreOneWord(t *testing.T) {
	for _, block := range fenced(readPage(t), "diff") {
		from, to, ok := strings.Cut(block, "\n+")
		if !ok || "-"+strings.ReplaceAll(strings.TrimSpace(to), "vault-renderer", "vault") != from {
			t.Errorf("more than a word:\n%s", block)
		}
	}
}

// TestPageLinks: what the page points to is there.
func TestPageLinks(t *testing.T) {
	links := regexp.MustCompile(`\]\(([^)#]+)`).FindAllStringSubmatch(readPage(t), -1)
	if len(links) == 0 {
		t.Fatal("no links")
	}
	for _, m := range links {
		if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is not there", m[1])
		}
	}
}

// TestGoingBack: what the page says Vault Agent does with our own keys.
func TestGoingBack(t *testing.T) {
	vault, err := vaultserver.Binary(t.Context(), vaultserver.BinaryOptions{Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	const head = "auto_auth {\n method \"approle\" {\n config = { role_id_file_path = \"role_id\" }\n }\n}\n"
	block := func(key string) string {
		return head + "template {\n contents = \"\"\n destination = \"out\"\n " + key + "\n}\n"
	}
	for _, c := range []struct{ what, text, flag, want string }{
		{"strict", block("") + "strict = true\n", "", ""},
		{"tmpfs", block("") + "tmpfs = \"off\"\n", "", ""},
		{"tmpfs of a template", block("tmpfs = \"off\""), "", "invalid keys"},
		{"reload", block("reload { pid_file = \"x\" }"), "", "invalid keys"},
		{"allow_empty", block("allow_empty = true"), "", "invalid keys"},
		{"userpass", strings.Replace(block(""), "approle", "userpass", 1), "", "unknown auto-auth method type"},
		{"-strict", block(""), "-strict", "flag provided but not defined"},
	} {
		if c.want != "" && !strings.Contains(readPage(t), c.want) {
			t.Errorf("the page does not quote %q", c.want)
		}
		if err := goBack(t, vault, c.text, c.flag, c.want); err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

func goBack(t *testing.T, vault, text, flag, want string) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "agent.hcl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	args := slices.DeleteFunc([]string{"agent", "-config=" + file, "-test-verify-only", flag}, func(s string) bool { return s == "" })
	out, err := exec.CommandContext(t.Context(), vault, args...).CombinedOutput()
	if (err == nil) != (want == "") || !strings.Contains(string(out), want) {
		return fmt.Errorf("wanted %q, got %v\n%s", want, err, out)
	}
	return nil
}

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vault-renderer/testbed/capture"
)

func workspaceFor(t *testing.T) *workspace {
	t.Helper()
	w, err := newWorkspace()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.remove(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// TestDemo runs it all, with credentials that live even shorter than in the
// real demo.
func TestDemo(t *testing.T) {
	w := workspaceFor(t)
	out := &capture.Buffer{}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s, err := run(ctx, options{
		vault: "dev", run: 14 * time.Second,
		leaseTTL: 4 * time.Second, leaseMax: 5 * time.Second, tokenTTL: 8 * time.Second, tokenMax: 60 * time.Second,
		out: out,
	}, w)
	t.Logf("\n%s", out)
	if err != nil {
		t.Fatal(err)
	}
	if problems := s.problems(); len(problems) > 0 {
		t.Errorf("problems: %q", problems)
	}
	if s.rotations < 2 || s.requests < 100 || s.failed != 0 || len(s.left) != 0 || s.made != s.rotations+1 {
		t.Errorf("summary: %+v", s)
	}
	for _, want := range []string{
		"logged in with approle", "leased database/creds/mysql-role (ttl 4s)", "wrote run/config.ini (generation 2)",
		"ran the hook", "told that the user is now v-approle-", "new pool: user v-approle-", "(generation 3)",
		"old pool closed", "dropped the account v-approle-", "/config",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the timeline lacks %q", want)
		}
	}
	checkSecrets(t, w, out.String())
}

// checkSecrets looks for what the files of config.hcl hold, which also shows
// that the renderer worked by that file.
func checkSecrets(t *testing.T, w *workspace, out string) {
	t.Helper()
	if strings.Contains(out, "canary-") {
		t.Error("a test secret in the timeline")
	}
	for _, name := range []string{"role_id", "vault-token", "config.ini"} {
		path := filepath.Join(w.run(), name)
		info, err := os.Stat(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		secret := strings.TrimSpace(string(content))
		if _, after, ok := strings.Cut(secret, "MYSQL_PASSWORD = "); ok {
			secret, _, _ = strings.Cut(after, "\n")
		}
		if len(secret) < 10 || strings.Contains(out, secret) {
			t.Errorf("the secret of %s is missing or in the timeline", name)
		}
	}
	if _, err := os.Stat(filepath.Join(w.run(), "secret_id")); !os.IsNotExist(err) {
		t.Errorf("config.hcl has the SecretID removed: %v", err)
	}
}

// TestUsesTheProjectsFiles: what the renderer reads is what the project ships.
func TestUsesTheProjectsFiles(t *testing.T) {
	w := workspaceFor(t)
	if info, err := os.Stat(w.mem); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info, err)
	}
	for _, name := range []string{"config.hcl", "templates/config.ini.tmpl"} {
		want, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(w.mem, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is another than the project's: %v", name, err)
		}
	}
	for _, link := range []string{"config.hcl", "templates"} {
		if to, err := os.Readlink(filepath.Join(w.mem, link)); err != nil || to != filepath.Join(w.repo, link) {
			t.Errorf("%s leads to %q: %v", link, to, err)
		}
	}
	args := rendererArgs()
	if args[1] != "-config=config.hcl" || strings.Contains(hookConfig, "vault {") || strings.Contains(hookConfig, "auto_auth") {
		t.Errorf("the renderer is not run with config.hcl first: %q", args)
	}
}

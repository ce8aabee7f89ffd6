package vaultserver_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vault-renderer/testbed/capture"
	"vault-renderer/testbed/vaultserver"
)

// onlyGo leaves nothing on PATH but the go command.
func onlyGo(t *testing.T) {
	t.Helper()
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(goTool, filepath.Join(dir, "go")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	t.Setenv("VAULT_BIN", "")
}

// smallSource is a module that builds in a second and answers like Vault.
func smallSource(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":  "module github.com/hashicorp/vault\n\ngo 1.26\n",
		"main.go": "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"Vault v0.0.0-small\") }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestBinaryNamedByTheEnvironment(t *testing.T) {
	t.Setenv("VAULT_BIN", filepath.Join(t.TempDir(), "missing"))
	if _, err := vaultserver.Binary(t.Context(), vaultserver.BinaryOptions{}); err == nil || !strings.Contains(err.Error(), "VAULT_BIN") {
		t.Fatalf("a wrong VAULT_BIN: %v", err)
	}
}

func TestBinaryOnlyLooks(t *testing.T) {
	onlyGo(t)
	_, err := vaultserver.Binary(t.Context(), vaultserver.BinaryOptions{NoBuild: true, CacheDir: t.TempDir()})
	if !errors.Is(err, vaultserver.ErrNotFound) {
		t.Fatal(err)
	}
}

func TestBinaryIsBuiltOnce(t *testing.T) {
	onlyGo(t)
	progress := &capture.Buffer{}
	o := vaultserver.BinaryOptions{CacheDir: t.TempDir(), Source: smallSource(t), Progress: progress}
	var wg sync.WaitGroup
	paths := make([]string, 3)
	for i := range paths {
		wg.Go(func() {
			var err error
			if paths[i], err = vaultserver.Binary(t.Context(), o); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if paths[0] == "" || paths[1] != paths[0] || paths[2] != paths[0] {
		t.Fatalf("paths %q", paths)
	}
	if n := strings.Count(progress.String(), "building Vault"); n != 1 {
		t.Fatalf("%d builds:\n%s", n, progress.String())
	}
	// A truncated file counts as missing.
	if err := os.Truncate(paths[0], 100); err != nil {
		t.Fatal(err)
	}
	if _, err := vaultserver.Binary(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(progress.String(), "building Vault"); n != 2 {
		t.Fatalf("%d builds:\n%s", n, progress.String())
	}
}

func TestBinaryBuildStopsWithItsContext(t *testing.T) {
	onlyGo(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	<-ctx.Done()
	_, err := vaultserver.Binary(ctx, vaultserver.BinaryOptions{CacheDir: t.TempDir(), Source: smallSource(t)})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

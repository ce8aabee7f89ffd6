package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"nonsense"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", args, err)
		}
	}
	if err := run(t.Context(), []string{"deps", "nonsense"}, io.Discard, io.Discard); err == nil {
		t.Error("an unknown dependency is accepted")
	}
}

func TestDepsThatAreHere(t *testing.T) {
	var log bytes.Buffer
	if err := run(t.Context(), []string{"deps", "mariadb"}, io.Discard, &log); err != nil || log.String() != "testbed: mariadb is here\n" {
		t.Fatalf("%v, %q", err, log.String())
	}
}

// Where nothing can be installed, one line says what to type.
func TestDepsThatCannotBeInstalled(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := run(t.Context(), []string{"deps", "chromium"}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "chromium") || strings.Contains(err.Error(), "\n") {
		t.Fatal(err)
	}
}

func TestStartAndStop(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"start"}, in, io.Discard)
		ended <- errors.Join(err, in.Close())
	}()
	env := map[string]string{}
	for lines := bufio.NewScanner(out); len(env) < 8 && lines.Scan(); {
		key, value, ok := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "=")
		if !ok {
			t.Fatalf("line %q", lines.Text())
		}
		env[key] = value
	}
	if b, err := os.ReadFile(env["SECRET_ID_FILE"]); err != nil || len(b) == 0 {
		t.Errorf("secret_id: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

package vaultserver_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vault-renderer/testbed/vaultserver"
)

func start(t *testing.T) *vaultserver.Server {
	t.Helper()
	s, err := vaultserver.Start(t.Context(), vaultserver.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStartSealUnsealKillRestart(t *testing.T) {
	s := start(t)
	ctx, c := t.Context(), s.Client()
	if _, err := c.Auth().Token().LookupSelfWithContext(ctx); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(filepath.Join(filepath.Dir(s.AuditLog()), "keys.json"))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("keys.json: %v %v", st, err)
	}

	if err := s.Seal(ctx); err != nil {
		t.Fatal(err)
	}
	if h, err := c.Sys().HealthWithContext(ctx); err != nil || !h.Sealed {
		t.Fatalf("after Seal: %+v %v", h, err)
	}
	if err := s.Unseal(ctx); err != nil {
		t.Fatal(err)
	}

	addr := s.Addr()
	s.Kill()
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if _, err := c.Sys().HealthWithContext(short); err == nil {
		t.Fatal("a killed server answers")
	}
	if err := s.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if s.Addr() != addr {
		t.Fatalf("Restart moved the server from %s to %s", addr, s.Addr())
	}
	if _, err := c.Auth().Token().LookupSelfWithContext(ctx); err != nil {
		t.Fatalf("the root token of before the restart: %v", err)
	}
}

func TestSecondStartUsesTheSameData(t *testing.T) {
	dir := t.TempDir()
	var token string
	for range 2 {
		s, err := vaultserver.Start(t.Context(), vaultserver.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if token != "" && s.RootToken() != token {
			t.Error("another root token")
		}
		token = s.RootToken()
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

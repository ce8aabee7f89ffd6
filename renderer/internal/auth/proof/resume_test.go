package proof

import (
	"context"
	"testing"
	"time"

	"vault-renderer/renderer/internal/auth"
	"vault-renderer/renderer/internal/auth/method"
	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// A token of an earlier run is taken up without a login, and replaced at once
// when somebody revokes it; a superseded one is renewed until it is revoked.
func (s *suite) resumed(t *testing.T) {
	dir := t.TempDir()
	roleID, secretID := s.role(t, "resumed", map[string]any{})
	log, text := logger(t)
	client := s.client(t, vault.Options{})
	m := &method.AppRole{
		Client: client, MountPath: "auth/approle", RoleIDFilePath: write(t, dir, "role_id", roleID),
		SecretIDFilePath: write(t, dir, "secret_id", secretID), Log: log,
	}
	before := s.works(t, m)
	n := uint64(0)
	k := auth.New(auth.Options{
		Client: client, Method: m, Log: log, Resume: before, Lookup: 200 * time.Millisecond, Number: func() uint64 { n++; return n },
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := make(chan auth.Event, 100)
	go func() { _ = k.Run(ctx, out) }()
	if e := <-out; !e.Resumed || !e.Token.Equal(before.ClientToken) || e.Auth.Accessor != before.Accessor {
		t.Fatalf("%+v", e)
	}
	select {
	case e := <-out:
		t.Errorf("%+v\n%s", e, text)
	case <-time.After(time.Second):
	}
	s.put(t, "auth/token/revoke-accessor", map[string]any{"accessor": before.Accessor})
	var second auth.Event
	select {
	case second = <-out:
	case <-time.After(10 * time.Second):
	}
	if second.Session == nil || second.Reason != auth.ReasonRevoked {
		t.Fatalf("%+v\n%s", second, text)
	}
	s.isAlive(t, second.Token.Reveal())
	cancel()
	s.kept(t, m)
}

func (s *suite) kept(t *testing.T, m *method.AppRole) {
	t.Helper()
	old := s.works(t, m)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out := make(chan auth.Kept, 1)
	done := make(chan error, 1)
	go func() {
		done <- auth.KeepToken(ctx, auth.KeepOptions{
			Session: m.Client.With(old.ClientToken, 3), Log: m.Log, Full: time.Second,
			Lease: lease.Lease{TTL: time.Second, Renewable: true, IssuedAt: time.Now()}, // as if it had little left
		}, out)
	}()
	if k := <-out; k.N != 3 || k.Ended || !within(k.Lease.TTL, time.Hour) {
		t.Errorf("%+v", k)
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("it has not ended with its context")
	}
	gone := m.Client.With(old.ClientToken, 4)
	if err := gone.RevokeSelf(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := auth.KeepToken(t.Context(), auth.KeepOptions{
		Session: gone, Log: m.Log, Lease: lease.Lease{TTL: time.Second, Renewable: true, IssuedAt: time.Now()},
	}, out)
	if k := <-out; err != nil || !k.Ended {
		t.Errorf("%+v %v", k, err)
	}
}

package proof

import (
	"strings"
	"testing"
	"time"

	"vault-renderer/renderer/internal/auth/method"
	"vault-renderer/renderer/internal/vault"
)

// role makes an AppRole and gives its id and a SecretID.
func (s *suite) role(t *testing.T, name string, settings map[string]any) (roleID, secretID string) {
	t.Helper()
	settings["token_policies"], settings["token_ttl"] = "proof", "1h"
	s.put(t, "auth/approle/role/"+name, settings)
	id, err := s.server.Client().Logical().ReadWithContext(t.Context(), "auth/approle/role/"+name+"/role-id")
	if err != nil {
		t.Fatal(err)
	}
	if settings["bind_secret_id"] != false {
		secretID = s.put(t, "auth/approle/role/"+name+"/secret-id", nil).Data["secret_id"].(string)
	}
	return id.Data["role_id"].(string), secretID
}

// wrapped gives a token around what path answers.
func (s *suite) wrapped(t *testing.T, path string) string {
	t.Helper()
	c := s.server.Client()
	c.SetWrappingLookupFunc(func(string, string) string { return "5m" })
	out, err := c.Logical().WriteWithContext(t.Context(), path, map[string]any{"secret_id": "canary-foreign"})
	if err != nil {
		t.Fatal(err)
	}
	return out.WrapInfo.Token
}

func (s *suite) approle(t *testing.T) {
	s.mount(t, "approle")
	dir := t.TempDir()
	roleID, secretID := s.role(t, "plain", map[string]any{})
	log, _ := logger(t)
	m := &method.AppRole{
		Client: s.client(t, vault.Options{}), MountPath: "auth/approle", RoleIDFilePath: write(t, dir, "role_id", roleID+"\n"),
		SecretIDFilePath: write(t, dir, "secret_id", secretID+"\n"), Log: log,
	}
	if a := s.works(t, m); !within(a.TTL.TTL, time.Hour) || !a.TTL.Renewable {
		t.Errorf("%+v", a.TTL)
	}
	wantFile(t, m.SecretIDFilePath, true)
	m.RemoveSecretIDFileAfterRead = true
	s.works(t, m)
	wantFile(t, m.SecretIDFilePath, false)
	s.works(t, m) // from memory

	write(t, dir, "secret_id", "canary-wrong")
	s.refused(t, m, "auth/approle/login", "invalid role or secret ID", "put a new one into "+m.SecretIDFilePath)
	wantFile(t, m.SecretIDFilePath, false)

	write(t, dir, "secret_id", secretID)
	write(t, dir, "role_id", "canary-wrong")
	s.refused(t, m, "auth/approle/login", "invalid role or secret ID")

	open, _ := s.role(t, "open", map[string]any{"bind_secret_id": false, "token_bound_cidrs": "127.0.0.0/8"})
	s.works(t, &method.AppRole{Client: m.Client, MountPath: "auth/approle", RoleIDFilePath: write(t, dir, "role_id", open), Log: log})
}

func (s *suite) approleWrapped(t *testing.T) {
	dir := t.TempDir()
	roleID, _ := s.role(t, "wrapped", map[string]any{"secret_id_num_uses": 2})
	const at = "auth/approle/role/wrapped/secret-id"
	log, text := logger(t)
	m := &method.AppRole{
		Client: s.client(t, vault.Options{}), MountPath: "auth/approle", RoleIDFilePath: write(t, dir, "role_id", roleID),
		SecretIDFilePath: write(t, dir, "secret_id", s.wrapped(t, at)), SecretIDResponseWrappingPath: at,
		RemoveSecretIDFileAfterRead: true, Log: log,
	}
	s.works(t, m)
	wantFile(t, m.SecretIDFilePath, false)
	s.works(t, m) // with the SecretID that came out
	s.refused(t, m, "auth/approle/login", "wrapping token, which is used up", "put a new one into "+m.SecretIDFilePath)

	// Made by somebody who may write somewhere else.
	fresh := restarted(m)
	foreign := s.wrapped(t, "sys/wrapping/wrap")
	write(t, dir, "secret_id", foreign)
	for range 2 {
		if _, err := fresh.Login(t.Context()); err == nil {
			t.Fatal("logged in")
		} else {
			s.says(t, err, `made at "sys/wrapping/wrap"`, `expected "`+at+`"`, m.SecretIDFilePath)
		}
	}
	wantFile(t, m.SecretIDFilePath, true)
	if !strings.Contains(text.String(), "security: ") {
		t.Errorf("log:\n%s", text)
	}
	if path, err := m.Client.WrapLookup(t.Context(), vault.NewToken(foreign)); err != nil || path != "sys/wrapping/wrap" {
		t.Errorf("the foreign token was used: %q %v", path, err)
	}

	// Somebody else was faster.
	token := s.wrapped(t, at)
	if _, err := s.server.Client().Logical().UnwrapWithContext(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "secret_id", token)
	for range 2 {
		s.refused(t, fresh, "the wrapping token in "+m.SecretIDFilePath, "was used up", "put a new one there")
	}
	wantFile(t, m.SecretIDFilePath, true)
	write(t, dir, "secret_id", s.wrapped(t, at))
	s.works(t, fresh)
}

// restarted is m as after a restart.
func restarted(m *method.AppRole) *method.AppRole {
	return &method.AppRole{
		Client: m.Client, MountPath: m.MountPath, RoleIDFilePath: m.RoleIDFilePath, SecretIDFilePath: m.SecretIDFilePath,
		SecretIDResponseWrappingPath: m.SecretIDResponseWrappingPath, RemoveSecretIDFileAfterRead: m.RemoveSecretIDFileAfterRead, Log: m.Log,
	}
}

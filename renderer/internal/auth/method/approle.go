// Package method has the ways to log in that need nothing but Vault and files:
// approle, and more. Each is a type with a Login, which is one try: it reads
// its credentials again every time. When to log in is the Keeper's business.
package method

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"vault-renderer/renderer/internal/vault"
)

// AppRole is the approle method. Both files are read again at every login.
type AppRole struct {
	Client                       *vault.Client
	MountPath                    string // "auth/approle"
	RoleIDFilePath               string
	SecretIDFilePath             string // "" = no SecretID
	RemoveSecretIDFileAfterRead  bool
	SecretIDResponseWrappingPath string // "" = the file holds the SecretID itself
	Log                          *slog.Logger

	roleID   cached
	secretID cached
}

// cached is a file's content and what it was when the file was last there.
type cached struct{ value string }

// load reads path; a file that is missing or empty gives what was read before.
func (c *cached) load(path, what string) error {
	raw, err := os.ReadFile(path)
	v := strings.TrimSpace(string(raw))
	switch {
	case err == nil && v != "":
		c.value = v
	case c.value != "":
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s file %s does not exist", what, path)
	case err != nil:
		return fmt.Errorf("%s file: %w", what, err)
	default:
		return fmt.Errorf("%s file %s is empty", what, path)
	}
	return nil
}

// Login implements Method. The SecretID's file is removed (if so configured)
// when Vault has answered: while Vault is away it stays, so that a restart
// does not lose it.
func (m *AppRole) Login(ctx context.Context) (*vault.Auth, error) {
	if err := m.roleID.load(m.RoleIDFilePath, "role_id"); err != nil {
		return nil, err
	}
	body := map[string]any{"role_id": m.roleID.value}
	if m.SecretIDFilePath != "" {
		if err := m.loadSecretID(ctx); err != nil {
			return nil, err
		}
		body["secret_id"] = m.secretID.value
	}
	a, err := m.Client.Login(ctx, m.MountPath+"/login", body)
	if err == nil || answered(err) {
		m.removeSecretID(m.secretID.value)
	}
	return a, err
}

// answered says whether Vault has judged the credentials.
func answered(err error) bool {
	switch vault.ClassOf(err) {
	case vault.Transient, vault.Sealed:
		return false
	}
	return true
}

func (m *AppRole) loadSecretID(ctx context.Context) error {
	if m.SecretIDResponseWrappingPath == "" {
		return m.secretID.load(m.SecretIDFilePath, "secret_id")
	}
	raw, err := os.ReadFile(m.SecretIDFilePath)
	wrapping := strings.TrimSpace(string(raw))
	switch {
	case err == nil && wrapping != "":
		return m.unwrap(ctx, wrapping)
	case m.secretID.value != "":
		return nil
	case err != nil:
		return fmt.Errorf("wrapped secret_id file: %w", err)
	}
	return fmt.Errorf("wrapped secret_id file %s is empty", m.SecretIDFilePath)
}

// unwrap takes the SecretID out of a wrapping token, but only when the token
// was made where the configuration says: another path means that somebody put
// a token of his own there.
func (m *AppRole) unwrap(ctx context.Context, wrapping string) error {
	t := vault.NewToken(wrapping)
	path, err := m.Client.WrapLookup(ctx, t)
	if err != nil {
		if answered(err) && m.secretID.value == "" {
			return fmt.Errorf("the wrapping token in %s is not (or no longer) valid: somebody else may have used it: %w", m.SecretIDFilePath, err)
		}
		if answered(err) {
			return nil // spent by ourselves; the SecretID is in memory
		}
		return err
	}
	if path != m.SecretIDResponseWrappingPath {
		m.Log.Error("security: the wrapping token was made at another path than expected; it was not used",
			"file", m.SecretIDFilePath, "path", path, "expected", m.SecretIDResponseWrappingPath)
		return fmt.Errorf("the wrapping token in %s was made at %q, expected %q", m.SecretIDFilePath, path, m.SecretIDResponseWrappingPath)
	}
	data, err := m.Client.Unwrap(ctx, t)
	if err != nil {
		return err
	}
	id, _ := data.Unwrap()["secret_id"].(string)
	if id == "" {
		return fmt.Errorf("the wrapping token in %s held no secret_id", m.SecretIDFilePath)
	}
	m.secretID.value = id
	m.removeSecretID(wrapping) // used up: nobody can do anything with it
	return nil
}

// removeSecretID removes the file if it still holds what was used: a new one
// may have been delivered in the meantime.
func (m *AppRole) removeSecretID(used string) {
	if !m.RemoveSecretIDFileAfterRead || m.SecretIDFilePath == "" {
		return
	}
	raw, err := os.ReadFile(m.SecretIDFilePath)
	if err != nil || strings.TrimSpace(string(raw)) != used {
		return
	}
	if err := os.Remove(m.SecretIDFilePath); err != nil {
		m.Log.Warn("the secret_id file could not be removed", "file", m.SecretIDFilePath, "error", err)
	}
}

package method

import (
	"context"
	"log/slog"
	"strings"

	"vault-renderer/renderer/internal/vault"
)

// Userpass is the userpass method, which Vault Agent lacks. The file stays.
type Userpass struct {
	Client           *vault.Client
	MountPath        string // "auth/userpass"
	Username         string
	PasswordFilePath string
	Log              *slog.Logger
}

// Login implements Method.
func (m *Userpass) Login(ctx context.Context) (*vault.Auth, error) {
	f := file{path: m.PasswordFilePath, what: "password", raw: true, log: m.Log}
	content, err := f.read()
	if err != nil {
		return nil, err
	}
	// Editors end a file with a newline; a password may end with blanks.
	password, cut := strings.CutSuffix(content, "\n")
	if cut {
		password = strings.TrimSuffix(password, "\r")
	}
	return m.Client.Login(ctx, m.MountPath+"/login/"+m.Username, map[string]any{"password": password})
}

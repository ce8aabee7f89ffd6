package method

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"vault-renderer/renderer/internal/vault"
)

// LDAP is the ldap method. The file's bytes are the password, even a newline
// at the end.
type LDAP struct {
	Client                *vault.Client
	MountPath             string // "auth/ldap"
	Username              string
	PasswordFilePath      string
	RemoveAfterReading    bool
	RemoveFollowsSymlinks bool // the link's target is removed, not the link
	ReadPeriod            time.Duration
	Log                   *slog.Logger

	password cached
}

// Login implements Method.
func (m *LDAP) Login(ctx context.Context) (*vault.Auth, error) {
	password, err := m.password.load(m.file())
	if err != nil {
		return nil, err
	}
	a, err := m.Client.Login(ctx, m.MountPath+"/login/"+m.Username, map[string]any{"password": password})
	if err != nil && answered(err) && strings.HasSuffix(password, "\n") {
		err = fmt.Errorf("%w (the password in %s ends with a newline, which counts: write the file without it)", err, m.PasswordFilePath)
	}
	return a, m.file().used(password, removal{m.RemoveAfterReading, m.RemoveFollowsSymlinks}, err)
}

// Watch implements Watcher.
func (m *LDAP) Watch(ctx context.Context, changed func()) {
	m.password.watch(ctx, m.file(), m.ReadPeriod, m.RemoveAfterReading, changed)
}

func (m *LDAP) file() file {
	return file{path: m.PasswordFilePath, what: "password", raw: true, log: m.Log}
}

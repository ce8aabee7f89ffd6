package method

import (
	"context"
	"log/slog"
	"time"

	"vault-renderer/renderer/internal/vault"
)

// JWT is the jwt method. The file's bytes are sent as they are.
type JWT struct {
	Client                *vault.Client
	MountPath             string // "auth/jwt"
	Path                  string
	Role                  string
	RemoveAfterReading    bool
	RemoveFollowsSymlinks bool // the link's target is removed, not the link
	ReadPeriod            time.Duration
	Log                   *slog.Logger

	jwt cached
}

// Login implements Method.
func (m *JWT) Login(ctx context.Context) (*vault.Auth, error) {
	jwt, err := m.jwt.load(m.file())
	if err != nil {
		return nil, err
	}
	a, err := m.Client.Login(ctx, m.MountPath+"/login", map[string]any{"role": m.Role, "jwt": jwt})
	return a, m.file().used(jwt, removal{m.RemoveAfterReading, m.RemoveFollowsSymlinks}, err)
}

// Watch implements Watcher.
func (m *JWT) Watch(ctx context.Context, changed func()) {
	m.jwt.watch(ctx, m.file(), m.ReadPeriod, m.RemoveAfterReading, changed)
}

func (m *JWT) file() file { return file{path: m.Path, what: "jwt", raw: true, log: m.Log} }

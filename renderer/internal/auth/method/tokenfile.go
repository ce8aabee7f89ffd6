package method

import (
	"context"
	"log/slog"

	"vault-renderer/renderer/internal/vault"
)

// TokenFile is the token_file method: somebody else made the token. A login is
// a look-up; a token without an end gives a life of 0, so that nobody looks
// again.
type TokenFile struct {
	Client        *vault.Client
	TokenFilePath string
	Log           *slog.Logger

	token cached
}

// Login implements Method.
func (m *TokenFile) Login(ctx context.Context) (*vault.Auth, error) {
	f := file{path: m.TokenFilePath, what: "token", log: m.Log}
	token, err := m.token.load(f)
	if err != nil {
		return nil, err
	}
	a, err := m.Client.LookupToken(ctx, vault.NewToken(token))
	return a, f.used(token, removal{}, err)
}

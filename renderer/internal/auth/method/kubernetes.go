package method

import (
	"context"
	"fmt"
	"log/slog"

	"vault-renderer/renderer/internal/vault"
)

// Kubernetes is the kubernetes method. The kubelet replaces the token in its
// file, so an old one is never used again.
type Kubernetes struct {
	Client    *vault.Client
	MountPath string // "auth/kubernetes"
	Role      string
	TokenPath string // of the service account
	Log       *slog.Logger
}

// Login implements Method.
func (m *Kubernetes) Login(ctx context.Context) (*vault.Auth, error) {
	f := file{path: m.TokenPath, what: "service account token", log: m.Log}
	jwt, err := f.read()
	if err != nil && !f.there() {
		return nil, fmt.Errorf("%w; does the pod mount the token of its service account?", err)
	}
	if err != nil {
		return nil, err
	}
	a, err := m.Client.Login(ctx, m.MountPath+"/login", map[string]any{"role": m.Role, "jwt": jwt})
	if vault.ClassOf(err) == vault.Denied {
		return nil, fmt.Errorf("%w; role %q: Vault's own log has the reason (its token review, or an account that the role does not name)", err, m.Role)
	}
	return a, err
}

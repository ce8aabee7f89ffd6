package proof

import (
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"vault-renderer/renderer/internal/auth/method"
	"vault-renderer/renderer/internal/vault"
)

// token makes one that carries the policy.
func (s *suite) token(t *testing.T, r *api.TokenCreateRequest) string {
	t.Helper()
	r.Policies = []string{"proof"}
	out, err := s.server.Client().Auth().Token().CreateWithContext(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return out.Auth.ClientToken
}

func (s *suite) tokenFile(t *testing.T) {
	dir := t.TempDir()
	log, _ := logger(t)
	m := &method.TokenFile{Client: s.client(t, vault.Options{}), TokenFilePath: write(t, dir, "token", ""), Log: log}
	for name, c := range map[string]struct {
		r         api.TokenCreateRequest
		renewable bool
	}{
		"service":  {api.TokenCreateRequest{TTL: "1h"}, true},
		"periodic": {api.TokenCreateRequest{Period: "1h"}, true},
		"orphan":   {api.TokenCreateRequest{TTL: "1h", NoParent: true, Renewable: new(bool)}, false},
		"batch":    {api.TokenCreateRequest{TTL: "1h", Type: "batch"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			token := s.token(t, &c.r)
			write(t, dir, "token", token+"\n")
			a := s.works(t, m)
			if a.ClientToken.Reveal() != token || !within(a.TTL.TTL, time.Hour) || a.TTL.Renewable != c.renewable {
				t.Errorf("%+v", a.TTL)
			}
			wantFile(t, m.TokenFilePath, true)
		})
	}
	write(t, dir, "token", s.server.RootToken())
	if a, err := m.Login(t.Context()); err != nil || a.TTL.TTL != 0 || a.TTL.Renewable {
		t.Errorf("root: %+v %v", a, err)
	}
	revoked := s.token(t, &api.TokenCreateRequest{TTL: "1h"})
	if err := s.server.Client().Auth().Token().RevokeTreeWithContext(t.Context(), revoked); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{revoked, "canary-wrong"} {
		write(t, dir, "token", bad)
		s.refused(t, m, "look up the token at auth/token/lookup-self", "invalid token")
	}
}

func (s *suite) userpass(t *testing.T) {
	s.mount(t, "userpass")
	const password = " canary-pass word "
	s.put(t, "auth/userpass/users/ann", map[string]any{"password": password, "token_policies": "proof", "token_ttl": "1h"})
	dir := t.TempDir()
	log, _ := logger(t)
	m := &method.Userpass{Client: s.client(t, vault.Options{}), MountPath: "auth/userpass", Username: "ann", Log: log}
	for _, end := range []string{"", "\n", "\r\n"} {
		m.PasswordFilePath = write(t, dir, "password", password+end)
		s.works(t, m)
		wantFile(t, m.PasswordFilePath, true)
	}
	for _, wrong := range []string{"canary-wrong", password + "\n\n", "canary-pass word"} {
		write(t, dir, "password", wrong)
		s.refused(t, m, "auth/userpass/login/ann", "invalid username or password")
	}
	m.Username = "nobody"
	s.refused(t, m, "auth/userpass/login/nobody", "invalid username or password")
}

// A login whose answer is wrapped, and what goes into a wrapped sink.
func (s *suite) wrappedLogins(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "password", "canary-pass")
	s.put(t, "auth/userpass/users/bob", map[string]any{"password": "canary-pass", "token_policies": "proof"})
	log, _ := logger(t)
	wrapping := s.client(t, vault.Options{LoginWrapTTL: 5 * time.Minute})
	m := &method.Userpass{Client: wrapping, MountPath: "auth/userpass", Username: "bob", PasswordFilePath: dir + "/password", Log: log}
	a, err := m.Login(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if a.Wrapped == nil || a.Wrapped.TTL != 300 || a.Wrapped.CreationPath != "auth/userpass/login/bob" || !a.ClientToken.Empty() {
		t.Fatalf("%+v", a)
	}
	inner, err := s.server.Client().Logical().UnwrapWithContext(t.Context(), a.Wrapped.Token.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	s.isAlive(t, inner.Auth.ClientToken)
	if inner.Auth.Accessor != a.Wrapped.WrappedAccessor {
		t.Error("another accessor")
	}

	// A wrong password is refused as without wrapping.
	write(t, dir, "password", "canary-wrong")
	s.refused(t, m, "auth/userpass/login/bob", "invalid username or password")

	w, err := s.client(t, vault.Options{}).Wrap(t.Context(), vault.NewToken(inner.Auth.ClientToken), map[string]any{"token": "canary-inside"}, 90*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if w.TTL != 90 || w.CreationPath != "sys/wrapping/wrap" {
		t.Errorf("%d s at %s", w.TTL, w.CreationPath)
	}
	out, err := s.client(t, vault.Options{}).Unwrap(t.Context(), w.Token)
	if err != nil || out.Unwrap()["token"] != "canary-inside" {
		t.Errorf("unwrapped: %v", err)
	}
	if _, err := s.client(t, vault.Options{}).Unwrap(t.Context(), w.Token); vault.ClassOf(err) != vault.Invalid {
		t.Errorf("unwrapped twice: %v", err)
	}
}

// Package proof is tests only: they prove the auth methods of package method
// against the real Vault, with a directory, a Kubernetes and authorities that
// the real Vault asks.
package proof

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"vault-renderer/renderer/internal/vault"
	"vault-renderer/testbed/capture"
	"vault-renderer/testbed/pki"
	"vault-renderer/testbed/vaultserver"
)

// TestRealVault runs every proof on one server.
func TestRealVault(t *testing.T) {
	s := start(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"approle", s.approle},
		{"approle wrapped", s.approleWrapped},
		{"approle renewed", s.approleRenewed},
		{"approle renewed without limits", s.approleRenewedUnlimited},
		{"approle renewed and stolen", s.approleRenewedStolen},
		{"approle renewed and denied", s.approleRenewedDenied},
		{"resumed tokens", s.resumed},
		{"token_file", s.tokenFile},
		{"userpass", s.userpass},
		{"jwt", s.jwt},
		{"cert", s.cert},
		{"ldap", s.ldap},
		{"kubernetes", s.kubernetes},
		{"wrapped logins", s.wrappedLogins},
	} {
		t.Run(part.name, part.run)
	}
}

// suite is a real Vault with a policy called proof.
type suite struct {
	server *vaultserver.Server
	ca     *pki.Authority // of the server's certificate
	caPath string
}

func start(t *testing.T) *suite {
	t.Helper()
	dir := t.TempDir()
	s := &suite{ca: authority(t), caPath: write(t, dir, "ca.pem", "")}
	cert, key := issue(t, s.ca, "vault")
	write(t, dir, "ca.pem", s.ca.Cert)
	server, err := vaultserver.Start(t.Context(), vaultserver.Options{
		Dir: filepath.Join(dir, "vault"), TLSCert: write(t, dir, "vault.pem", cert), TLSKey: write(t, dir, "vault-key.pem", key),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	s.server = server
	s.put(t, "sys/policies/acl/proof", map[string]any{"policy": `path "secret/*" { capabilities = ["read"] }`})
	return s
}

// put writes as root.
func (s *suite) put(t *testing.T, path string, body map[string]any) *api.Secret {
	t.Helper()
	out, err := s.server.Client().Logical().WriteWithContext(t.Context(), path, body)
	if err != nil {
		t.Fatalf("prepare %s: %v", path, err)
	}
	return out
}

// mount enables an auth method.
func (s *suite) mount(t *testing.T, kind string) {
	t.Helper()
	s.put(t, "sys/auth/"+kind, map[string]any{"type": kind})
}

// client talks to the listener without TLS.
func (s *suite) client(t *testing.T, o vault.Options) *vault.Client {
	t.Helper()
	if o.Address == "" {
		o.Address = s.server.Addr()
	}
	c, err := vault.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// loginer is auth.Method.
type loginer interface {
	Login(context.Context) (*vault.Auth, error)
}

// works logs in and wants a token that works and carries the policy.
func (s *suite) works(t *testing.T, m loginer) *vault.Auth {
	t.Helper()
	a, err := m.Login(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if a.TTL.TTL <= 0 {
		t.Errorf("life %v", a.TTL.TTL)
	}
	s.isAlive(t, a.ClientToken.Reveal())
	return a
}

func (s *suite) isAlive(t *testing.T, token string) {
	t.Helper()
	c := s.server.Client()
	c.SetToken(token)
	self, err := c.Auth().Token().LookupSelfWithContext(t.Context())
	if err != nil {
		t.Fatalf("the token does not work: %v", err)
	}
	if p, err := self.TokenPolicies(); err != nil || !slices.Contains(p, "proof") {
		t.Errorf("policies %q %v", p, err)
	}
}

// refused logs in and wants Vault to judge against it, in words that tell
// where and why.
func (s *suite) refused(t *testing.T, m loginer, words ...string) {
	t.Helper()
	_, err := m.Login(t.Context())
	if err == nil {
		t.Fatal("logged in")
	}
	if c := vault.ClassOf(err); c != vault.Invalid && c != vault.Denied && c != vault.InvalidToken {
		t.Errorf("class %v", c)
	}
	s.says(t, err, words...)
	t.Log(err)
}

// says wants words in an error, and no secret: all of the test's begin with
// canary-, tokens with hvs. or hvb., JWTs with eyJ.
func (s *suite) says(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q lacks %q", err, w)
		}
	}
	holdsNoSecret(t, err.Error())
}

func holdsNoSecret(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{"canary-", "hvs.", "hvb.", "eyJ"} {
		if strings.Contains(text, secret) {
			t.Errorf("a secret (%s) in %q", secret, text)
		}
	}
}

// logger keeps a log, in which no secret may be.
func logger(t *testing.T) (*slog.Logger, *capture.Buffer) {
	t.Helper()
	log := &capture.Buffer{}
	t.Cleanup(func() { holdsNoSecret(t, log.String()) })
	return slog.New(slog.NewTextHandler(log, nil)), log
}

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func wantFile(t *testing.T, path string, there bool) {
	t.Helper()
	if _, err := os.Lstat(path); (err == nil) != there {
		t.Errorf("%s there: %v, want %v", path, err == nil, there)
	}
}

func authority(t *testing.T) *pki.Authority {
	t.Helper()
	a, err := pki.New("proof authority")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *pki.Authority, name string) (cert, key string) {
	t.Helper()
	cert, key, err := a.Issue(name)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// within is a life that a token may still have of d.
func within(got, d time.Duration) bool { return got > d/2 && got <= d }

package proof

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vault-renderer/renderer/internal/auth/method"
	"vault-renderer/renderer/internal/vault"
)

// signer signs JWTs with ES256.
type signer struct{ key *ecdsa.PrivateKey }

func newSigner(t *testing.T) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{key}
}

// public is the key for Vault, PEM.
func (s signer) public(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&s.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// jwt is good for an hour, unless the claims say otherwise.
func (s signer) jwt(t *testing.T, claims map[string]any) string {
	t.Helper()
	all := map[string]any{"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	body, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	enc := base64.RawURLEncoding
	signed := enc.EncodeToString([]byte(`{"alg":"ES256","typ":"JWT"}`)) + "." + enc.EncodeToString(body)
	sum := sha256.Sum256([]byte(signed))
	r, sv, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	sv.FillBytes(sig[32:])
	return signed + "." + enc.EncodeToString(sig)
}

func (s *suite) jwt(t *testing.T) {
	s.mount(t, "jwt")
	issuer := newSigner(t)
	s.put(t, "auth/jwt/config", map[string]any{"jwt_validation_pubkeys": issuer.public(t), "jwt_supported_algs": "ES256"})
	s.put(t, "auth/jwt/role/app", map[string]any{
		"role_type": "jwt", "bound_audiences": "vault", "user_claim": "sub", "token_policies": "proof", "token_ttl": "1h",
	})
	good := map[string]any{"sub": "app", "aud": "vault"}
	dir := t.TempDir()
	log, _ := logger(t)
	m := &method.JWT{
		Client: s.client(t, vault.Options{}), MountPath: "auth/jwt", Role: "app",
		Path: write(t, dir, "jwt", issuer.jwt(t, good)), Log: log,
	}
	s.works(t, m)
	wantFile(t, m.Path, true)
	m.RemoveAfterReading = true
	s.works(t, m)
	wantFile(t, m.Path, false)
	s.works(t, m) // from memory

	// What Vault makes of a newline is Vault's business: none is dropped here.
	write(t, dir, "jwt", issuer.jwt(t, good)+"\n")
	s.works(t, m)

	write(t, dir, "target", issuer.jwt(t, good))
	if err := os.Symlink(filepath.Join(dir, "target"), m.Path); err != nil {
		t.Fatal(err)
	}
	m.RemoveFollowsSymlinks = true
	s.works(t, m)
	wantFile(t, m.Path, true)
	wantFile(t, filepath.Join(dir, "target"), false)
	if err := os.Remove(m.Path); err != nil {
		t.Fatal(err)
	}

	for name, c := range map[string]struct {
		jwt, why string
	}{
		"another signer":   {newSigner(t).jwt(t, good), "verif"},
		"expired":          {issuer.jwt(t, map[string]any{"sub": "app", "aud": "vault", "exp": time.Now().Add(-time.Hour).Unix()}), "expired"},
		"another audience": {issuer.jwt(t, map[string]any{"sub": "app", "aud": "other"}), "audience"},
		"no JWT":           {"canary-wrong", "token"},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, dir, "jwt", c.jwt)
			s.refused(t, m, "auth/jwt/login", c.why, "if the jwt is wrong, put a new one into "+m.Path)
			wantFile(t, m.Path, false)
		})
	}
	m.Role = "other"
	write(t, dir, "jwt", issuer.jwt(t, good))
	s.refused(t, m, "auth/jwt/login", `role "other"`)
}

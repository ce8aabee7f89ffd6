package dropin

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"vault-renderer/testbed/pki"
)

// newPKI makes a directory with a CA, and certificates for Vault and a client.
func newPKI(dir string) error {
	ca, err := pki.New("ca")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "ca"), 0o755); err != nil {
		return err
	}
	files := map[string]string{"ca.pem": ca.Cert, "ca/ca.pem": ca.Cert}
	for _, name := range []string{"server", "client"} {
		if files[name+".pem"], files[name+".key"], err = ca.Issue(name); err != nil {
			return err
		}
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	files["rsa.key"] = string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)}))
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// clientTLS trusts our CA and shows our certificate.
func (w *world) clientTLS() (*tls.Config, error) {
	dir := filepath.Join(w.dir, "pki")
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key"))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}, nil
}

// newKeys makes the key that signs JWTs and the one that sinks encrypt for.
func (w *world) newKeys() (err error) {
	if w.jwtKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	w.dhKey, err = ecdh.X25519().GenerateKey(rand.Reader)
	return err
}

func (w *world) prepareJWT(ctx context.Context) error {
	der, err := x509.MarshalPKIXPublicKey(&w.jwtKey.PublicKey)
	if err != nil {
		return err
	}
	if err := w.enableAuth(ctx, "jwt", "jwt"); err != nil {
		return err
	}
	pub := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	return w.writeAll(ctx, [][2]any{
		{"auth/jwt/config", map[string]any{"jwt_validation_pubkeys": pub}},
		{"auth/jwt/role/app", map[string]any{"role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault", "token_policies": "app", "token_ttl": "20m"}},
	})
}

// jwt signs a token for auth/jwt; words are claims beside the usual
// ones, or empty to take one away.
func (w *world) jwt(words []string) (string, error) {
	now := time.Now()
	claims := map[string]any{"sub": "app", "aud": "vault", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	for _, word := range words {
		k, v, _ := strings.Cut(word, "=")
		claims[k] = v
		if v == "" {
			delete(claims, k)
		}
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding
	signed := enc.EncodeToString([]byte(`{"alg":"ES256","typ":"JWT"}`)) + "." + enc.EncodeToString(body)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, w.jwtKey, sum[:])
	if err != nil {
		return "", err
	}
	sig := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return signed + "." + enc.EncodeToString(sig), nil
}

func (w *world) prepareCert(ctx context.Context) error {
	if err := w.enableAuth(ctx, "cert", "cert"); err != nil {
		return err
	}
	ca, err := os.ReadFile(filepath.Join(w.dir, "pki", "ca.pem"))
	if err != nil {
		return err
	}
	return w.writeAll(ctx, [][2]any{
		{"auth/cert/certs/app", map[string]any{"certificate": string(ca), "token_policies": "app", "token_ttl": "20m"}},
		{"auth/cert/certs/other", map[string]any{"certificate": string(ca), "token_policies": "default", "token_ttl": "22m"}},
	})
}

// prepareLDAP mounts ldap for a directory that nobody reaches.
func (w *world) prepareLDAP(ctx context.Context) error {
	if err := w.enableAuth(ctx, "ldap", "ldap"); err != nil {
		return err
	}
	return w.writeAll(ctx, [][2]any{
		{"auth/ldap/config", map[string]any{"url": "ldap://127.0.0.1:1", "userdn": "dc=test", "request_timeout": 1}},
	})
}

func (w *world) prepareKubernetes(ctx context.Context, host string) error {
	if err := w.enableAuth(ctx, "kubernetes", "kubernetes"); err != nil {
		return err
	}
	reviewer, err := w.jwt([]string{"sub=system:serviceaccount:default:reviewer"})
	if err != nil {
		return err
	}
	err = w.writeAll(ctx, [][2]any{
		{"auth/kubernetes/config", map[string]any{"kubernetes_host": host, "token_reviewer_jwt": reviewer, "disable_local_ca_jwt": true}},
		{"auth/kubernetes/role/app", map[string]any{"bound_service_account_names": "app", "bound_service_account_namespaces": "default", "token_policies": "app", "token_ttl": "20m"}},
	})
	if err != nil {
		return fmt.Errorf("kubernetes: %w", err)
	}
	return nil
}

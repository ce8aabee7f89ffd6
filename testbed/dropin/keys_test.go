package dropin

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// pki is a directory with a CA, and certificates for Vault and a client.
type pki struct{ dir string }

func (p *pki) path(name string) string { return filepath.Join(p.dir, name) }

func newPKI(dir string) (*pki, error) {
	p := &pki{dir: filepath.Join(dir, "pki")}
	if err := os.MkdirAll(p.path("ca"), 0o755); err != nil {
		return nil, err
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	ca := certificate("ca")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	if err := p.issue("ca", ca, ca, &caKey.PublicKey, caKey); err != nil {
		return nil, err
	}
	if err := os.Link(p.path("ca.pem"), p.path("ca/ca.pem")); err != nil {
		return nil, err
	}
	for _, name := range []string{"server", "client"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		if err := p.issue(name, certificate(name), ca, &key.PublicKey, caKey); err != nil {
			return nil, err
		}
		der, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			return nil, err
		}
		if err := writePEM(p.path(name+".key"), "EC PRIVATE KEY", der); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func certificate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name + ".dropin.test"},
		DNSNames:     []string{name + ".dropin.test"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

func (p *pki) issue(name string, cert, parent *x509.Certificate, key *ecdsa.PublicKey, signer *ecdsa.PrivateKey) error {
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, key, signer)
	if err != nil {
		return err
	}
	return writePEM(p.path(name+".pem"), "CERTIFICATE", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o644)
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

// jwt signs a token for auth/jwt; words are claims beside the usual ones.
func (w *world) jwt(words []string) (string, error) {
	now := time.Now()
	claims := map[string]any{"sub": "app", "aud": "vault", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	for _, word := range words {
		k, v, _ := strings.Cut(word, "=")
		claims[k] = v
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
	ca, err := os.ReadFile(w.pki.path("ca.pem"))
	if err != nil {
		return err
	}
	return w.writeAll(ctx, [][2]any{
		{"auth/cert/certs/app", map[string]any{"certificate": string(ca), "token_policies": "app", "token_ttl": "20m"}},
		{"auth/cert/certs/other", map[string]any{"certificate": string(ca), "token_policies": "default", "token_ttl": "22m"}},
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

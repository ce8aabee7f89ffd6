// Package cf logs in as an application instance of Cloud Foundry: with the
// certificate that the platform gave the instance, and a signature made with
// its key. The platform replaces both files about once a day; they are read
// again at every login.
package cf

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"vault-renderer/renderer/internal/auth/cloud"
	"vault-renderer/renderer/internal/vault"
)

// The environment variables in which Cloud Foundry names the files.
const (
	envCert = "CF_INSTANCE_CERT"
	envKey  = "CF_INSTANCE_KEY"
)

// timeFormat is how the signature's time is written: Vault parses it and
// writes it again so to check the signature.
const timeFormat = "2006-01-02T15:04:05Z"

// Method is the cf method.
type Method struct {
	Client    *vault.Client
	MountPath string // "auth/cf"
	Role      string
	Log       *slog.Logger
}

// Login implements auth.Method.
func (m *Method) Login(ctx context.Context) (*vault.Auth, error) {
	body, err := m.body(time.Now())
	if err != nil {
		return nil, fmt.Errorf("cf: %w", err)
	}
	return m.Client.Login(ctx, m.MountPath+"/login", body)
}

// body is the login's request, signed at now.
func (m *Method) body(now time.Time) (map[string]any, error) {
	cert, certPath, err := fromEnv(envCert)
	if err != nil {
		return nil, err
	}
	raw, keyPath, err := fromEnv(envKey)
	if err != nil {
		return nil, err
	}
	key, err := parseKey(raw)
	if err != nil {
		return nil, fmt.Errorf("the key in %s (%s) %w", keyPath, envKey, err)
	}
	if err := belongs(cert, key); err != nil {
		return nil, fmt.Errorf("the certificate in %s (%s) %w", certPath, envCert, err)
	}
	signed := now.UTC().Format(timeFormat)
	sum := sha256.Sum256([]byte(signed + string(cert) + m.Role))
	sig, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], nil)
	if err != nil {
		return nil, fmt.Errorf("sign with the key in %s: %w", keyPath, err)
	}
	return map[string]any{
		"role": m.Role, "cf_instance_cert": string(cert),
		"signing_time": signed, "signature": "v1:" + base64.StdEncoding.EncodeToString(sig),
	}, nil
}

// fromEnv reads the file that an environment variable names.
func fromEnv(name string) (content []byte, path string, err error) {
	path = os.Getenv(name)
	if path == "" {
		return nil, "", fmt.Errorf("the environment variable %s is not set: Cloud Foundry sets it in an application's container", name)
	}
	content, err = os.ReadFile(path)
	if err != nil {
		return nil, "", fmt.Errorf("the file that %s names: %w", name, err)
	}
	if len(content) == 0 {
		return nil, "", fmt.Errorf("the file %s, which %s names, is empty", path, name)
	}
	return content, path, nil
}

// parseKey reads an RSA key as Cloud Foundry writes it, or in PKCS #8.
func parseKey(raw []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, errors.New("is not PEM")
	}
	return cloud.RSAKey(block.Bytes)
}

// belongs says whether one of the certificates was made for key. While the
// platform replaces the files, a login may find the new one of one and the old
// one of the other.
func belongs(certs []byte, key *rsa.PrivateKey) error {
	found := false
	for {
		var block *pem.Block
		if block, certs = pem.Decode(certs); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("can't be read: %w", err)
		}
		found = true
		if key.PublicKey.Equal(c.PublicKey) {
			return nil
		}
	}
	if !found {
		return errors.New("is not PEM")
	}
	return fmt.Errorf("is not that of the key that %s names: both are being replaced, or one is not this instance's", envKey)
}

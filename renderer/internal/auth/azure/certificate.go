package azure

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"

	"vault-renderer/renderer/internal/auth/cloud"
)

// signedAssertion is the JWT by which an application shows that it has the key
// of its certificate.
func signedAssertion(path, audience, client string, now time.Time) (string, error) {
	key, cert, err := pair(path)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(cert.Raw)
	head, err := json.Marshal(map[string]string{
		"alg": "PS256", "typ": "JWT", "x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:]),
	})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"aud": audience, "iss": client, "sub": client, "jti": rand.Text(),
		"nbf": now.Unix(), "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	})
	if err != nil {
		return "", err
	}
	b64 := base64.RawURLEncoding.EncodeToString
	text := b64(head) + "." + b64(claims)
	digest := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	if err != nil {
		return "", errors.New("the key can't sign")
	}
	return text + "." + b64(sig), nil
}

// pair reads an RSA key and its certificate from one PEM file.
func pair(path string) (*rsa.PrivateKey, *x509.Certificate, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	var key *rsa.PrivateKey
	var certs []*x509.Certificate
	for b, rest := pem.Decode(raw); b != nil; b, rest = pem.Decode(rest) {
		switch b.Type {
		case "CERTIFICATE":
			if c, err := x509.ParseCertificate(b.Bytes); err == nil {
				certs = append(certs, c)
			}
		case "PRIVATE KEY", "RSA PRIVATE KEY":
			key, _ = cloud.RSAKey(b.Bytes)
		}
	}
	if key == nil {
		return nil, nil, fmt.Errorf("%s holds no RSA key in PEM without a password (PKCS#12 is not supported)", path)
	}
	for _, c := range certs {
		if key.PublicKey.Equal(c.PublicKey) {
			return key, c, nil
		}
	}
	return nil, nil, fmt.Errorf("%s holds no certificate of its key", path)
}

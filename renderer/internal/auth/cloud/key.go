package cloud

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
)

// RSAKey reads an RSA key in PKCS #1 or #8. What the parsers say of another
// one is left out.
func RSAKey(der []byte) (*rsa.PrivateKey, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	k, err := x509.ParsePKCS8PrivateKey(der)
	if key, ok := k.(*rsa.PrivateKey); ok && err == nil {
		return key, nil
	}
	return nil, errors.New("is not an RSA key")
}

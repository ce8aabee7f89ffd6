package cloud_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"testing"

	"vault-renderer/renderer/internal/auth/cloud"
)

func TestRSAKey(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, der := range map[string][]byte{"PKCS #1": x509.MarshalPKCS1PrivateKey(key), "PKCS #8": pkcs8(t, key)} {
		if got, err := cloud.RSAKey(der); err != nil || !got.Equal(key) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, der := range map[string][]byte{"ECDSA": pkcs8(t, ec), "junk": []byte("canary-junk"), "nothing": nil} {
		if _, err := cloud.RSAKey(der); err == nil || err.Error() != "is not an RSA key" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

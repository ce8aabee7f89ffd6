package oci

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// field is one header of a request that is signed, in lower case.
type field struct{ name, value string }

// authorization gives the header that carries the signature over fields.
func (s signer) authorization(fields []field) (string, error) {
	var names, lines []string
	for _, f := range fields {
		names = append(names, f.name)
		lines = append(lines, f.name+": "+f.value)
	}
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	sig, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign the request: %w", err)
	}
	return fmt.Sprintf(`Signature version="1",headers="%s",keyId="%s",algorithm="rsa-sha256",signature="%s"`,
		strings.Join(names, " "), s.keyID, base64.StdEncoding.EncodeToString(sig)), nil
}

// id tells signers apart.
func (s signer) id() string {
	if s.key == nil {
		return ""
	}
	sum := sha256.Sum256([]byte(s.keyID + "\n" + string(x509.MarshalPKCS1PrivateKey(s.key))))
	return hex.EncodeToString(sum[:])
}

package oci

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"os"

	"vault-renderer/renderer/internal/auth/cloud"
)

// readKey reads an RSA key in PEM: PKCS #1 or #8, as it is or encrypted.
func readKey(path, pass string) (*rsa.PrivateKey, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := parseKey(raw, pass)
	if err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	return key, nil
}

func parseKey(raw []byte, pass string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, errors.New("is not PEM")
	}
	der, err := decrypted(block, pass)
	if err != nil {
		return nil, err
	}
	return cloud.RSAKey(der)
}

// decrypted gives the content of a PEM block.
func decrypted(block *pem.Block, pass string) ([]byte, error) {
	//lint:ignore SA1019 weak as it is, it is what the keys of many users are encrypted with
	old := x509.IsEncryptedPEMBlock(block)
	if !old && block.Type != "ENCRYPTED PRIVATE KEY" {
		return block.Bytes, nil
	}
	if pass == "" {
		return nil, errors.New("is encrypted, and there is no pass_phrase")
	}
	if old {
		//lint:ignore SA1019 as above
		der, err := x509.DecryptPEMBlock(block, []byte(pass))
		if err != nil {
			return nil, errors.New("can't be decrypted with pass_phrase")
		}
		return der, nil
	}
	return pbes2(block.Bytes, pass)
}

// The structures of RFC 8018, as far as they are needed.
type (
	encryptedKey struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	pbes2Params struct{ KDF, Cipher pkix.AlgorithmIdentifier }
	pbkdf2Param struct {
		Salt   []byte
		Rounds int
		Length int                      `asn1:"optional"`
		PRF    pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

// pbes2 decrypts PKCS #8 as OpenSSL encrypts it: PBES2 with PBKDF2 and a block
// cipher in CBC mode.
func pbes2(der []byte, pass string) ([]byte, error) {
	var outer encryptedKey
	var scheme pbes2Params
	var kdf pbkdf2Param
	var iv []byte
	if !decode(der, &outer) || outer.Algorithm.Algorithm.String() != "1.2.840.113549.1.5.13" ||
		!decode(outer.Algorithm.Parameters.FullBytes, &scheme) || scheme.KDF.Algorithm.String() != "1.2.840.113549.1.5.12" ||
		!decode(scheme.KDF.Parameters.FullBytes, &kdf) || !decode(scheme.Cipher.Parameters.FullBytes, &iv) {
		return nil, errors.New("is encrypted in a way that is not supported: only PBES2 with PBKDF2 is")
	}
	prf, length, newCipher := hashOf(kdf.PRF), 0, aes.NewCipher
	switch scheme.Cipher.Algorithm.String() {
	case "2.16.840.1.101.3.4.1.2":
		length = 16
	case "2.16.840.1.101.3.4.1.22":
		length = 24
	case "2.16.840.1.101.3.4.1.42":
		length = 32
	case "1.2.840.113549.3.7":
		length, newCipher = 24, des.NewTripleDESCipher
	}
	if prf == nil || length == 0 || kdf.Rounds < 1 || kdf.Rounds > 10_000_000 {
		return nil, errors.New("is encrypted with an algorithm that is not supported: use AES, and HMAC with SHA-1 or SHA-2")
	}
	key, err := pbkdf2.Key(prf, pass, kdf.Salt, kdf.Rounds, length)
	if err != nil {
		return nil, fmt.Errorf("can't be decrypted: %w", err)
	}
	c, err := newCipher(key)
	if err != nil {
		return nil, fmt.Errorf("can't be decrypted: %w", err)
	}
	return unpad(c, iv, outer.Data)
}

// unpad decrypts and takes the padding off.
func unpad(c cipher.Block, iv, data []byte) ([]byte, error) {
	size := c.BlockSize()
	if len(iv) != size || len(data) == 0 || len(data)%size != 0 {
		return nil, errors.New("is encrypted, and broken")
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(c, iv).CryptBlocks(out, data)
	n := int(out[len(out)-1])
	if n == 0 || n > size {
		return nil, errors.New("can't be decrypted with pass_phrase")
	}
	return out[:len(out)-n], nil
}

func decode(der []byte, into any) bool {
	_, err := asn1.Unmarshal(der, into)
	return err == nil
}

// hashOf gives the hash under a pseudo-random function; SHA-1 is the default.
func hashOf(prf pkix.AlgorithmIdentifier) func() hash.Hash {
	switch prf.Algorithm.String() {
	case "", "1.2.840.113549.2.7":
		return sha1.New
	case "1.2.840.113549.2.9":
		return sha256.New
	case "1.2.840.113549.2.10":
		return sha512.New384
	case "1.2.840.113549.2.11":
		return sha512.New
	}
	return nil
}

package sink

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
)

// DH says for whom a sink is encrypted (dh_type curve25519).
type DH struct {
	Path      string // file with the reader's public key; "" = not encrypted
	DeriveKey bool   // HKDF in place of the raw shared secret
	AAD       string // additional data that the reader must know
}

// envelope is what both sides write: the reader his public key alone, the sink
// everything. []byte is base64 in JSON.
type envelope struct {
	PublicKey []byte `json:"curve25519_public_key"`
	Nonce     []byte `json:"nonce,omitempty"`
	Payload   []byte `json:"encrypted_payload,omitempty"`
}

// box holds a sink's key pair: one for the life of the process.
type box struct {
	once sync.Once
	key  *ecdh.PrivateKey
	err  error
}

// seal encrypts content for the reader whose public key lies at d.Path.
func (b *box) seal(d DH, content []byte) ([]byte, error) {
	b.once.Do(func() { b.key, b.err = ecdh.X25519().GenerateKey(rand.Reader) })
	if b.err != nil {
		return nil, b.err
	}
	theirs, err := readPublicKey(d.Path)
	if err != nil {
		return nil, err
	}
	key, err := sharedKey(b.key, theirs, d.DeriveKey)
	if err != nil {
		return nil, fmt.Errorf("the public key in %s is not usable: %w", d.Path, err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, gcm.NonceSize())
	_, _ = rand.Read(nonce) // it never fails
	return json.Marshal(envelope{
		PublicKey: b.key.PublicKey().Bytes(), Nonce: nonce,
		Payload: gcm.Seal(nil, nonce, content, []byte(d.AAD)),
	})
}

func readPublicKey(path string) (*ecdh.PublicKey, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("dh_path: there is no file %s yet: the reader of the sink writes its public key there", path)
	}
	if err != nil {
		return nil, fmt.Errorf("dh_path: %w", err)
	}
	var e envelope
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, fmt.Errorf(`dh_path: %s is not JSON with "curve25519_public_key" in base64`, path)
	}
	k, err := ecdh.X25519().NewPublicKey(e.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("dh_path: curve25519_public_key in %s must be 32 bytes in base64, not %d", path, len(e.PublicKey))
	}
	return k, nil
}

// sharedKey is the AES key of 32 bytes that both sides come to. The derived one
// is HKDF-SHA256 with the smaller public key as salt and the larger as info.
func sharedKey(own *ecdh.PrivateKey, theirs *ecdh.PublicKey, derive bool) ([]byte, error) {
	secret, err := own.ECDH(theirs)
	if err != nil || !derive {
		return secret, err
	}
	low, high := own.PublicKey().Bytes(), theirs.Bytes()
	if bytes.Compare(low, high) > 0 {
		low, high = high, low
	}
	return hkdf.Key(sha256.New, secret, low, string(high), 32)
}

package dropin

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// describeToken is what Vault knows about the token that a file holds, without
// what is new for every token.
func (w *world) describeToken(text string) string {
	newline := ""
	if token, ok := strings.CutSuffix(text, "\n"); ok {
		text, newline = token, " and a newline"
	}
	s, err := w.root.Auth().Token().Lookup(text)
	if err != nil {
		return "a token that Vault does not know" + newline
	}
	keep := []string{
		"creation_ttl", "display_name", "explicit_max_ttl", "meta", "namespace_path", "num_uses",
		"orphan", "path", "period", "policies", "renewable", "type",
	}
	return "a token" + newline + fields(s.Data, keep)
}

func fields(data map[string]any, keep []string) string {
	var b strings.Builder
	for _, k := range keep {
		if v, ok := data[k]; ok {
			fmt.Fprintf(&b, "\n  %s: %v", k, v)
		}
	}
	return b.String()
}

// describeWrapped unwraps what the wrapping information in a file stands for.
func (w *world) describeWrapped(text string) string {
	var info map[string]any
	if err := json.Unmarshal([]byte(text), &info); err != nil {
		return "no JSON:\n" + text
	}
	var keys []string
	for k := range info {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	out := "wrapping information\n  keys: " + strings.Join(keys, " ") +
		fields(info, []string{"ttl", "creation_path"}) + "\n"
	token, _ := info["token"].(string)
	s, err := w.server.Client().Logical().Unwrap(token)
	switch {
	case err != nil || s == nil:
		return out + "that can't be unwrapped"
	case s.Auth != nil:
		return out + "unwrapped as a login: " + w.describeToken(s.Auth.ClientToken)
	}
	inner, _ := s.Data["token"].(string)
	return out + "unwrapped as data: " + w.describeToken(inner)
}

// describeEncrypted decrypts a sink's file as Vault's documentation says.
func (w *world) describeEncrypted(text string, words []string) string {
	var env struct {
		Key     []byte `json:"curve25519_public_key"`
		Nonce   []byte `json:"nonce"`
		Payload []byte `json:"encrypted_payload"`
	}
	if err := json.Unmarshal([]byte(text), &env); err != nil {
		return "no JSON:\n" + text
	}
	var aad []byte
	for _, word := range words {
		if v, ok := strings.CutPrefix(word, "aad="); ok {
			aad = []byte(v)
		}
	}
	plain, err := w.decrypt(env.Key, env.Nonce, env.Payload, aad, slices.Contains(words, "derive"))
	if err != nil {
		return "can't be decrypted: " + err.Error()
	}
	if slices.Contains(words, "wrapped") {
		return "encrypted: " + w.describeWrapped(string(plain))
	}
	return "encrypted: " + w.describeToken(string(plain))
}

func (w *world) decrypt(theirs, nonce, payload, aad []byte, derive bool) ([]byte, error) {
	pub, err := ecdh.X25519().NewPublicKey(theirs)
	if err != nil {
		return nil, err
	}
	key, err := w.dhKey.ECDH(pub)
	if err != nil {
		return nil, err
	}
	if derive {
		low, high := w.dhKey.PublicKey().Bytes(), theirs
		if bytes.Compare(low, high) > 0 {
			low, high = high, low
		}
		if key, err = hkdf.Key(sha256.New, key, low, string(high), 32); err != nil {
			return nil, err
		}
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	if len(nonce) != gcm.NonceSize() {
		return nil, fmt.Errorf("nonce of %d bytes", len(nonce))
	}
	return gcm.Open(nil, nonce, payload, aad)
}

package sink

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"

	"vault-renderer/renderer/internal/vault"
)

// Stamp tells what a Writer left in its file: a hash over the token, the way in
// which it was written and the file's content. It holds no secret and may be
// kept on a disk.
type Stamp string

// stamp is the stamp of content, which was made from t.
func (w *Writer) stamp(t vault.Token, content []byte) Stamp {
	h := hmac.New(sha256.New, []byte(t.Reveal()))
	fmt.Fprintf(h, "%d %q %t %q\n", w.f.WrapTTL, w.f.DH.Path, w.f.DH.DeriveKey, w.f.DH.AAD)
	h.Write(content)
	return Stamp("hmac-sha256:" + hex.EncodeToString(h.Sum(nil)))
}

// stamped gives what is in the file, when it is what t's stamp says.
func (w *Writer) stamped(t numbered) (content []byte, there bool) {
	if t.stamp == "" {
		return nil, false
	}
	info, err := os.Lstat(w.f.Path)
	if err != nil || !info.Mode().IsRegular() {
		return nil, false
	}
	content, err = os.ReadFile(w.f.Path)
	return content, err == nil && hmac.Equal([]byte(w.stamp(t.token, content)), []byte(t.stamp))
}

package sink

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/vault"
)

// wrapper is a Vault that wraps, unless err says otherwise.
type wrapper struct {
	mu    sync.Mutex
	err   error
	asked []map[string]any
	ttl   time.Duration
}

func (w *wrapper) Wrap(_ context.Context, t vault.Token, data map[string]any, ttl time.Duration) (*vault.WrapInfo, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked, w.ttl = append(w.asked, data), ttl
	if w.err != nil {
		return nil, w.err
	}
	return &vault.WrapInfo{Token: vault.NewToken("canary-wrapping"), TTL: int(ttl / time.Second), CreationPath: "sys/wrapping/wrap"}, nil
}

// running runs a Writer in fake time.
func running(t *testing.T, f File, wr Wrapper, body func(w *Writer, next func() Written)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := NewWriter(f, wr, nil)
		ctx, cancel := context.WithCancel(t.Context())
		out, done := make(chan Written), make(chan error)
		go func() { done <- w.Run(ctx, out) }()
		body(w, func() Written { return <-out })
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestPlain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	running(t, File{Path: path, Mode: 0o604, Owner: -1, Group: -1}, nil, func(w *Writer, next func() Written) {
		w.Write(vault.NewToken("canary-old"), 1)
		w.Write(vault.NewToken("canary-token"), 2)
		e := next()
		if e.N == 1 { // it was quicker than the second token
			e = next()
		}
		if e.Err != nil || e.N != 2 || read(t, path) != "canary-token" {
			t.Errorf("%+v, %q", e, read(t, path))
		}
		if st, _ := os.Stat(path); st.Mode().Perm() != 0o604 {
			t.Errorf("mode %v", st.Mode())
		}
	})
}

// A failing sink is tried again with backoff; a newer token does not wait for it.
func TestRetry(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	f := File{Path: filepath.Join(dir, "token"), Mode: 0o600, Owner: -1, Group: -1}
	running(t, f, nil, func(w *Writer, next func() Written) {
		began := time.Now()
		w.Write(vault.NewToken("canary-1"), 1)
		for _, want := range []time.Duration{0, 2, 6} {
			if e := next(); e.Err == nil || e.Next == 0 || time.Since(began) != want*time.Second || strings.Contains(e.Err.Error(), "canary") {
				t.Errorf("%+v after %v, want %ds", e, time.Since(began), want)
			}
		}
		w.Write(vault.NewToken("canary-2"), 2)
		next()
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if e := next(); e.Err != nil || e.N != 2 || read(t, f.Path) != "canary-2" {
			t.Errorf("%+v", e)
		}
	})
}

func TestWrapped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	wr := &wrapper{err: &vault.Error{Op: "wrap at", Class: vault.Transient}}
	running(t, File{Path: path, Mode: 0o600, Owner: -1, Group: -1, WrapTTL: 90 * time.Second}, wr, func(w *Writer, next func() Written) {
		w.Write(vault.NewToken("canary-token"), 1)
		if e := next(); vault.ClassOf(e.Err) != vault.Transient || !strings.Contains(e.Err.Error(), path) {
			t.Errorf("%+v", e)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("something is written: %v", err)
		}
		wr.mu.Lock()
		wr.err = nil
		wr.mu.Unlock()
		if e := next(); e.Err != nil || wr.ttl != 90*time.Second || wr.asked[1]["token"] != "canary-token" {
			t.Errorf("%+v, %v, %v", e, wr.ttl, wr.asked)
		}
		want := `{"token":"canary-wrapping","accessor":"","ttl":90,"creation_time":"","creation_path":"sys/wrapping/wrap","wrapped_accessor":""}`
		if got := read(t, path); got != want {
			t.Errorf("%s", got)
		}
	})
}

// The reader of an encrypted sink gets the token with his private key, as Vault
// documents it, with and without a derived key.
func TestEncrypted(t *testing.T) {
	for _, derive := range []bool{false, true} {
		dir := t.TempDir()
		reader, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		dh := DH{Path: filepath.Join(dir, "public.json"), DeriveKey: derive, AAD: "host-1"}
		path := filepath.Join(dir, "token")
		running(t, File{Path: path, Mode: 0o600, Owner: -1, Group: -1, DH: dh}, nil, func(w *Writer, next func() Written) {
			w.Write(vault.NewToken("canary-token"), 1)
			if e := next(); e.Err == nil || !strings.Contains(e.Err.Error(), "public.json") {
				t.Errorf("without a public key: %+v", e)
			}
			public := `{"curve25519_public_key":"` + base64.StdEncoding.EncodeToString(reader.PublicKey().Bytes()) + `"}`
			if err := os.WriteFile(dh.Path, []byte(public), 0o600); err != nil {
				t.Fatal(err)
			}
			if e := next(); e.Err != nil {
				t.Fatal(e.Err)
			}
			first := read(t, path)
			if got := open(t, reader, []byte(first), derive, "host-1"); got != "canary-token" {
				t.Errorf("derive %v: %q", derive, got)
			}
			w.Write(vault.NewToken("canary-second"), 2)
			next()
			if got := open(t, reader, []byte(read(t, path)), derive, "host-1"); got != "canary-second" {
				t.Errorf("derive %v: %q", derive, got)
			}
		})
	}
}

// open is the reader's side.
func open(t *testing.T, own *ecdh.PrivateKey, raw []byte, derive bool, aad string) string {
	t.Helper()
	var e struct {
		Key     []byte `json:"curve25519_public_key"`
		Nonce   []byte `json:"nonce"`
		Payload []byte `json:"encrypted_payload"`
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatal(err)
	}
	theirs, err := ecdh.X25519().NewPublicKey(e.Key)
	if err != nil {
		t.Fatal(err)
	}
	key, err := own.ECDH(theirs)
	if err != nil {
		t.Fatal(err)
	}
	if derive {
		a, b := own.PublicKey().Bytes(), e.Key
		if bytes.Compare(a, b) > 0 {
			a, b = b, a
		}
		if key, err = hkdf.Key(sha256.New, key, a, string(b), 32); err != nil {
			t.Fatal(err)
		}
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gcm.Open(nil, e.Nonce, e.Payload, []byte(aad))
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// A wrong public key is named, with its file.
func TestPublicKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "public.json")
	for content, want := range map[string]string{
		"":                                 "is not JSON",
		`{"curve25519_public_key":"%"}`:    "is not JSON",
		`{}`:                               "must be 32 bytes in base64, not 0",
		`{"curve25519_public_key":"AAAA"}`: "must be 32 bytes in base64, not 3",
		`{"curve25519_public_key":"` + zero + `"}`: "is not usable",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		var b box
		if _, err := b.seal(DH{Path: path}, []byte("canary-x")); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", content, err)
		}
	}
}

const zero = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

// A file that holds the token already, as it should, is not touched.
func TestPlainAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	f := File{Path: path, Mode: 0o600, Owner: -1, Group: -1}
	old := time.Unix(1_000_000_000, 0)
	if err := os.WriteFile(path, []byte("canary-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	running(t, f, nil, func(w *Writer, next func() Written) {
		w.Write(vault.NewToken("canary-token"), 1)
		if e := next(); e.Err != nil || !e.Kept || e.Stamp == "" || !modified(t, path).Equal(old) {
			t.Errorf("%+v, modified %v", e, modified(t, path))
		}
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		w.Write(vault.NewToken("canary-token"), 2)
		if e := next(); e.Err != nil || e.Kept {
			t.Errorf("another mode: %+v", e)
		}
		if st, _ := os.Stat(path); st.Mode() != 0o600 {
			t.Errorf("mode %v", st.Mode())
		}
		w.Write(vault.NewToken("canary-other"), 3)
		if e := next(); e.Err != nil || e.Kept || read(t, path) != "canary-other" {
			t.Errorf("another token: %+v", e)
		}
	})
}

func modified(t *testing.T, path string) time.Time {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.ModTime()
}

// What the process before wrapped or encrypted stays as it is; everything that
// differs from what it left is written again.
func TestResume(t *testing.T) {
	dir := t.TempDir()
	reader, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := `{"curve25519_public_key":"` + base64.StdEncoding.EncodeToString(reader.PublicKey().Bytes()) + `"}`
	if err := os.WriteFile(filepath.Join(dir, "public.json"), []byte(public), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "token")
	token := vault.NewToken("canary-token")
	wr := &wrapper{}
	f := File{Path: path, Mode: 0o600, Owner: -1, Group: -1, WrapTTL: time.Minute, DH: DH{Path: filepath.Join(dir, "public.json")}}
	resumed := func(f File, t2 vault.Token, stamp Stamp) (out Written) {
		running(t, f, wr, func(w *Writer, next func() Written) {
			w.Resume(t2, 1, stamp)
			out = next()
		})
		return out
	}
	first := resumed(f, token, "")
	if first.Err != nil || first.Kept || first.Stamp == "" || strings.Contains(string(first.Stamp), "canary") {
		t.Fatalf("%+v", first)
	}
	content := read(t, path)
	again := resumed(f, token, first.Stamp)
	if again.Err != nil || !again.Kept || again.Stamp != first.Stamp || read(t, path) != content || len(wr.asked) != 1 {
		t.Errorf("%+v, wrapped %d times", again, len(wr.asked))
	}
	other := f
	other.WrapTTL = 2 * time.Minute
	for name, change := range map[string]func() Written{
		"another token":   func() Written { return resumed(f, vault.NewToken("canary-2"), first.Stamp) },
		"another setting": func() Written { return resumed(other, token, first.Stamp) },
		"no stamp":        func() Written { return resumed(f, token, "") },
		"another content": func() Written {
			_ = os.WriteFile(path, []byte(content+" "), 0o600)
			return resumed(f, token, first.Stamp)
		},
		"no file": func() Written { _ = os.Remove(path); return resumed(f, token, first.Stamp) },
		"a link": func() Written {
			_ = os.WriteFile(path+"2", []byte(content), 0o600)
			_ = os.Remove(path)
			_ = os.Symlink(path+"2", path)
			return resumed(f, token, first.Stamp)
		},
	} {
		n := len(wr.asked)
		if e := change(); e.Err != nil || e.Kept || e.Stamp == first.Stamp || len(wr.asked) != n+1 || read(t, path) == content {
			t.Errorf("%s: %+v", name, e)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

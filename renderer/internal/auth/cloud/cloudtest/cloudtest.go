// Package cloudtest helps to test the logins by clouds: an environment in which
// there is no cloud, a Vault that takes every login, and servers and files that
// last as long as a test.
package cloudtest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vault-renderer/renderer/internal/vault"
)

// Without takes the variables with these prefixes out of the environment until
// the test ends.
func Without(t *testing.T, prefixes ...string) {
	t.Helper()
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		for _, p := range prefixes {
			if !strings.HasPrefix(name, p) {
				continue
			}
			t.Setenv(name, "") // restores it
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Client gives a client that knows nothing of the environment's Vault.
func Client(t *testing.T, address string, transport http.RoundTripper) *vault.Client {
	t.Helper()
	Without(t, "VAULT_")
	c, err := vault.New(vault.Options{Address: address, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// Vault takes every login and keeps what it was sent.
type Vault struct {
	Path   string // with the method, of the last
	Bodies []map[string]any
}

// RoundTrip implements http.RoundTripper.
func (v *Vault) RoundTrip(r *http.Request) (*http.Response, error) {
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, err
	}
	v.Path, v.Bodies = r.Method+" "+r.URL.Path, append(v.Bodies, body)
	w := httptest.NewRecorder()
	_, _ = io.WriteString(w, `{"auth":{"client_token":"canary-token","lease_duration":60,"renewable":true}}`)
	return w.Result(), nil
}

// Last is the last login.
func (v *Vault) Last(t *testing.T) map[string]any {
	t.Helper()
	if len(v.Bodies) == 0 {
		t.Fatal("Vault was not asked")
	}
	return v.Bodies[len(v.Bodies)-1]
}

// Serve gives the URL of a server.
func Serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// Write gives the path of a file: of its own directory, unless it is absolute.
func Write(t *testing.T, path, content string) string {
	t.Helper()
	if !filepath.IsAbs(path) {
		path = filepath.Join(t.TempDir(), path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

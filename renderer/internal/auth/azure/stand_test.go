package azure_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vault-renderer/renderer/internal/auth/azure"
	"vault-renderer/renderer/internal/vault"
)

const resource = "https://vault.example.com/"

// fakeVault answers every login and keeps what it was sent.
type fakeVault struct {
	path   string
	bodies []map[string]any
}

// RoundTrip implements http.RoundTripper.
func (f *fakeVault) RoundTrip(r *http.Request) (*http.Response, error) {
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, err
	}
	f.path, f.bodies = r.Method+" "+r.URL.Path, append(f.bodies, body)
	w := httptest.NewRecorder()
	_, _ = io.WriteString(w, `{"auth":{"client_token":"canary-token","lease_duration":60,"renewable":true}}`)
	return w.Result(), nil
}

// method gives one that logs in to a fake Vault, in an environment where Azure
// is nowhere.
func method(t *testing.T) (*azure.Method, *fakeVault, *bytes.Buffer) {
	t.Helper()
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		for _, p := range [...]string{"AZURE_", "VAULT_", "IDENTITY_"} {
			if strings.HasPrefix(name, p) {
				t.Setenv(name, "") // restores it
				if err := os.Unsetenv(name); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	t.Setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1") // nobody listens
	v := &fakeVault{}
	c, err := vault.New(vault.Options{Address: "http://vault.test", Transport: v})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	return &azure.Method{
		Client: c, MountPath: "auth/azure", Role: "app", Resource: resource,
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	}, v, &log
}

// machine is a machine's metadata service.
type machine struct {
	tokens     string // the answer to who asks for one; "" = good
	status     int    // of that answer; 0 = 200
	asked      []string
	noInstance bool
}

// ServeHTTP implements http.Handler.
func (m *machine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.asked = append(m.asked, r.URL.Path+"?"+r.URL.RawQuery)
	if r.Method != http.MethodGet || r.Header.Get("Metadata") != "true" || r.Header.Get("X-Forwarded-For") != "" ||
		r.FormValue("api-version") != "2018-02-01" {
		http.Error(w, `{"error":"Bad request. Required metadata header not specified"}`, http.StatusBadRequest)
		return
	}
	switch r.URL.Path {
	case "/metadata/instance":
		if m.noInstance {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, `{"compute":{"name":"vm1","resourceGroupName":"group","subscriptionId":"sub","vmScaleSetName":"set"},"network":{}}`)
	case "/metadata/identity/oauth2/token":
		if m.tokens == "" {
			m.tokens = fmt.Sprintf(`{"access_token":"canary-jwt-%s","expires_in":"86399","resource":"%s","token_type":"Bearer"}`, r.FormValue("resource"), resource)
		}
		if m.status != 0 {
			w.WriteHeader(m.status)
		}
		_, _ = io.WriteString(w, m.tokens)
	default:
		http.NotFound(w, r)
	}
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

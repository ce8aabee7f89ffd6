package azure_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"vault-renderer/renderer/internal/auth/azure"
	"vault-renderer/renderer/internal/auth/cloud/cloudtest"
)

const resource = "https://vault.example.com/"

// method gives one that logs in to a fake Vault, in an environment where Azure
// is nowhere.
func method(t *testing.T) (*azure.Method, *cloudtest.Vault, *bytes.Buffer) {
	t.Helper()
	cloudtest.Without(t, "AZURE_", "IDENTITY_")
	t.Setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1") // nobody listens
	v := &cloudtest.Vault{}
	var log bytes.Buffer
	return &azure.Method{
		Client: cloudtest.Client(t, "http://vault.test", v), MountPath: "auth/azure", Role: "app", Resource: resource,
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

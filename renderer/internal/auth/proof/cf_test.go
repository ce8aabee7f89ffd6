package proof

import (
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"vault-renderer/renderer/internal/auth/cf"
	"vault-renderer/renderer/internal/auth/cloud/cloudtest"
	"vault-renderer/renderer/internal/vault"
)

// foundry is a Cloud Foundry: an API that knows one app, and the authority of
// its instances.
type foundry struct {
	root, inter       *x509.Certificate
	rootKey, interKey *rsa.PrivateKey
	url               string
}

func newFoundry(t *testing.T) *foundry {
	t.Helper()
	f := &foundry{}
	ca := func(name string) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	}
	f.root, f.rootKey = cloudtest.RSACertificate(t, ca("root"), nil, nil)
	f.inter, f.interKey = cloudtest.RSACertificate(t, ca("intermediate"), f.root, f.rootKey)
	srv := httptest.NewServer(http.HandlerFunc(f.api))
	t.Cleanup(srv.Close)
	f.url = srv.URL
	return f
}

func certPEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

func keyPEM(k *rsa.PrivateKey) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}))
}

// api is what Vault asks: whether the app, its space and its organization are
// there.
func (f *foundry) api(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	guid := func(id, entity string) {
		fmt.Fprintf(w, `{"metadata":{"guid":%q},"entity":{"name":%q%s}}`, id, id, entity)
	}
	switch r.URL.Path {
	case "/v2/info":
		fmt.Fprintf(w, `{"authorization_endpoint":%q,"token_endpoint":%q}`, f.url, f.url)
	case "/oauth/token":
		fmt.Fprint(w, `{"access_token":"canary-api","token_type":"bearer","expires_in":600}`)
	case "/v2/apps/app-1":
		guid("app-1", `,"space_guid":"space-1","instances":1`)
	case "/v2/organizations/org-1":
		guid("org-1", "")
	case "/v2/spaces/space-1":
		guid("space-1", `,"organization_guid":"org-1"`)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"code":100004,"error_code":"CF-AppNotFound","description":"not found"}`)
	}
}

// instance writes the files of an instance of app and names them in the
// environment, as the platform does.
func (f *foundry) instance(t *testing.T, app string) {
	t.Helper()
	leaf, key := cloudtest.RSACertificate(t, &x509.Certificate{
		Subject:     pkix.Name{CommonName: "instance-1", OrganizationalUnit: []string{"organization:org-1", "space:space-1", "app:" + app}},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, f.inter, f.interKey)
	dir := t.TempDir()
	t.Setenv("CF_INSTANCE_CERT", write(t, dir, "instance.crt", certPEM(leaf)+certPEM(f.inter)))
	t.Setenv("CF_INSTANCE_KEY", write(t, dir, "instance.key", keyPEM(key)))
}

func (s *suite) cf(t *testing.T, _ *internet) {
	f := newFoundry(t)
	s.mount(t, "cf")
	s.put(t, "auth/cf/config", map[string]any{
		"identity_ca_certificates": certPEM(f.root), "cf_api_addr": f.url, "cf_username": "vault", "cf_password": "canary-cf",
	})
	s.put(t, "auth/cf/roles/app", map[string]any{"bound_application_ids": "app-1", "policies": "proof", "token_ttl": "1h"})
	s.put(t, "auth/cf/roles/other", map[string]any{"bound_application_ids": "app-2", "policies": "proof"})
	log, _ := logger(t)
	m := &cf.Method{Client: s.client(t, vault.Options{}), MountPath: "auth/cf", Role: "app", Log: log}

	f.instance(t, "app-1")
	if a := s.works(t, m); a.Metadata["app_id"] != "" && a.Metadata["app_id"] != "app-1" {
		t.Errorf("metadata %v", a.Metadata)
	}
	f.instance(t, "app-1") // replaced by the platform
	s.works(t, m)

	other := *m
	other.Role = "other"
	s.refused(t, &other, "auth/cf/login", "app ID app-1 doesn't match role constraints")
	f.instance(t, "app-3")
	s.refused(t, m, "app ID app-3 doesn't match role constraints")
	stranger := newFoundry(t)
	stranger.instance(t, "app-1")
	_, err := m.Login(t.Context())
	if err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
		t.Errorf("another authority's instance: %v", err)
	}
}

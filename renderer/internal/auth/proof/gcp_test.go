package proof

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vault-renderer/renderer/internal/auth/cloud/cloudtest"
	"vault-renderer/renderer/internal/auth/gcp"
	"vault-renderer/renderer/internal/vault"
)

const gcpAccount = "app@project1.iam.gserviceaccount.com"

// google is Google's services, for one project with one service account.
type google struct {
	key     *rsa.PrivateKey // of the service account
	googles *rsa.PrivateKey
	token   string // of the metadata service
}

// gcp: Vault checks a JWT with the keys that Google names for it, and asks
// Google for the service account and the machine.
func (s *suite) gcp(t *testing.T, n *internet) {
	g := &google{key: cloudtest.RSAKey(t), googles: cloudtest.RSAKey(t)}
	for _, host := range []string{
		"oauth2.googleapis.com", "www.googleapis.com", "iam.googleapis.com", "iamcredentials.googleapis.com",
		"compute.googleapis.com", "cloudresourcemanager.googleapis.com",
	} {
		n.add(t, host, func(w http.ResponseWriter, r *http.Request) { g.serve(t, w, r) })
	}
	md := httptest.NewServer(http.HandlerFunc(g.metadata))
	defer md.Close()
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(md.URL, "http://"))
	file := write(t, t.TempDir(), "key.json", g.keyFile(t))

	s.mount(t, "gcp")
	s.put(t, "auth/gcp/config", map[string]any{"credentials": g.keyFile(t)})
	for role, bounds := range map[string]map[string]any{
		"account": {"type": "iam", "bound_service_accounts": gcpAccount, "max_jwt_exp": "20m"},
		"other":   {"type": "iam", "bound_service_accounts": "other@project1.iam.gserviceaccount.com"},
		"machine": {"type": "gce", "bound_projects": "project1", "bound_zones": "europe-west1-b", "bound_labels": "app:notes"},
		"there":   {"type": "gce", "bound_projects": "project2"},
	} {
		bounds["token_policies"], bounds["token_ttl"] = "proof", "1h"
		s.put(t, "auth/gcp/role/"+role, bounds)
	}
	log, _ := logger(t)
	method := func(kind, role string) *gcp.Method {
		return &gcp.Method{
			Client: s.client(t, vault.Options{}), MountPath: "auth/gcp", Type: kind, Role: role, Credentials: file, Log: log,
			Transport: throughOrLocal{n.transport()},
		}
	}
	a := s.works(t, method("iam", "account"))
	if a.Metadata["service_account_email"] != gcpAccount {
		t.Errorf("metadata %v", a.Metadata)
	}
	s.refused(t, method("iam", "other"), "is not authorized for role")
	m := method("iam", "account")
	m.JWTExp = time.Hour
	s.refused(t, m, "exp")

	a = s.works(t, method("gce", "machine"))
	if a.Metadata["instance_name"] != "notes-1" {
		t.Errorf("metadata %v", a.Metadata)
	}
	s.refused(t, method("gce", "there"), "project")
	m = method("gce", "machine")
	g.token = rs256(g.googles, "google1", map[string]any{"aud": "http://vault/another", "exp": time.Now().Add(time.Hour).Unix(), "sub": "1"})
	s.refused(t, m, "vault/machine")
}

func (g *google) serve(t *testing.T, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	at := r.Host + r.URL.Path
	account := map[string]any{"name": "projects/project1/serviceAccounts/" + gcpAccount, "projectId": "project1", "uniqueId": "42", "email": gcpAccount}
	switch {
	case at == "oauth2.googleapis.com/token":
		answer(w, map[string]any{"access_token": "canary-access", "token_type": "Bearer", "expires_in": 3599})
	case at == "iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"+gcpAccount+":signJwt":
		var body struct{ Payload string }
		var claims map[string]any
		if json.NewDecoder(r.Body).Decode(&body) != nil || json.Unmarshal([]byte(body.Payload), &claims) != nil || r.Header.Get("Authorization") != "Bearer canary-access" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		answer(w, map[string]any{"keyId": "account1", "signedJwt": rs256(g.key, "account1", claims)})
	case at == "www.googleapis.com/oauth2/v1/certs":
		answer(w, map[string]string{"google1": selfSigned(t, g.googles)})
	case strings.HasPrefix(at, "www.googleapis.com/service_accounts/v1/metadata/x509/"):
		answer(w, map[string]any{"account1": selfSigned(t, g.key)})
	case strings.HasPrefix(at, "iam.googleapis.com/v1/projects/") && strings.HasSuffix(at, "/keys/account1"):
		answer(w, map[string]any{"name": "k", "publicKeyData": base64.StdEncoding.EncodeToString([]byte(selfSigned(t, g.key)))})
	case at == "compute.googleapis.com/compute/v1/projects/project1/zones/europe-west1-b/instances/notes-1":
		answer(w, map[string]any{
			"id": "7", "name": "notes-1", "status": "RUNNING", "zone": "https://compute.googleapis.com/compute/v1/projects/project1/zones/europe-west1-b",
			"labels": map[string]string{"app": "notes"}, "serviceAccounts": []any{map[string]any{"email": gcpAccount}},
			"selfLink": "https://" + at, "creationTimestamp": time.Now().Add(-time.Hour).Format(time.RFC3339),
		})
	case strings.HasPrefix(at, "iam.googleapis.com/v1/projects/"):
		answer(w, account)
	default:
		t.Logf("asked for %s %s?%s", r.Method, at, r.URL.RawQuery)
		w.WriteHeader(http.StatusNotFound)
		answer(w, map[string]any{"error": map[string]any{"code": 404, "status": "NOT_FOUND", "message": at}})
	}
}

func (g *google) metadata(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Metadata-Flavor") != "Google" || !strings.HasSuffix(r.URL.Path, "/default/identity") || r.FormValue("format") != "full" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	w.Header().Set("Metadata-Flavor", "Google")
	if g.token != "" {
		_, _ = io.WriteString(w, g.token)
		return
	}
	_, _ = io.WriteString(w, rs256(g.googles, "google1", map[string]any{
		"iss": "https://accounts.google.com", "aud": r.FormValue("audience"), "sub": "42", "azp": "42", "email": gcpAccount,
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		"google": map[string]any{"compute_engine": map[string]any{
			"project_id": "project1", "project_number": 1, "zone": "europe-west1-b", "instance_id": "7", "instance_name": "notes-1",
			"instance_creation_timestamp": time.Now().Add(-time.Hour).Unix(),
		}},
	}))
}

func (g *google) keyFile(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(g.key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "project1", "private_key_id": "account1", "client_email": gcpAccount, "client_id": "42",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": "https://oauth2.googleapis.com/token",
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// selfSigned is the form in which clouds give their keys out.
func selfSigned(t *testing.T, k *rsa.PrivateKey) string {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cloud"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Error(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// rs256 signs a JWT as the clouds do.
func rs256(key *rsa.PrivateKey, kid string, claims map[string]any) string {
	body, _ := json.Marshal(claims)
	b64 := base64.RawURLEncoding.EncodeToString
	text := b64([]byte(fmt.Sprintf(`{"alg":"RS256","typ":"JWT","kid":%q}`, kid))) + "." + b64(body)
	sum := sha256.Sum256([]byte(text))
	sig, _ := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	return text + "." + b64(sig)
}

package proof

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vault-renderer/renderer/internal/auth/cloud/cloudtest"
	"vault-renderer/renderer/internal/auth/oci"
	"vault-renderer/renderer/internal/vault"
)

// oracle is Oracle's identity service, and the metadata of the instance on
// which both Vault and the renderer run: Vault logs in there as an instance to
// ask who signed a login.
type oracle struct {
	leaf, inter *x509.Certificate
	leafKey     *rsa.PrivateKey

	mu     sync.Mutex
	tokens int
	keys   map[string]*rsa.PublicKey // by keyId
	kinds  map[string]string         // by keyId: the type of principal
	asked  []string
}

func (o *oracle) metadata(w http.ResponseWriter, r *http.Request) {
	answers := map[string]string{
		"/opc/v2/instance/regionInfo":       `{"realmKey":"oc1","realmDomainComponent":"oraclecloud.com","regionKey":"FRA","regionIdentifier":"eu-frankfurt-1"}`,
		"/opc/v2/instance/region":           "eu-frankfurt-1",
		"/opc/v2/identity/cert.pem":         certPEM(o.leaf),
		"/opc/v2/identity/key.pem":          keyPEM(o.leafKey),
		"/opc/v2/identity/intermediate.pem": certPEM(o.inter),
	}
	if answers[r.URL.Path] == "" || r.Header.Get("Authorization") != "Bearer Oracle" {
		w.WriteHeader(404)
	}
	_, _ = io.WriteString(w, answers[r.URL.Path])
}

// auth is the service that knows who signed a request.
func (o *oracle) auth(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, r.URL.Path)
	out, err := o.answer(r)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		out = map[string]string{"code": "NotAuthenticated", "message": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (o *oracle) answer(r *http.Request) (any, error) {
	var body struct {
		PublicKey      []byte
		RequestHeaders http.Header
		Principal      struct{ SubjectID string }
		GroupIDs       []string
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, err
	}
	switch r.URL.Path {
	case "/v1/x509":
		key, err := x509.ParsePKIXPublicKey(body.PublicKey)
		if err != nil {
			return nil, err
		}
		o.tokens++
		token := jwt(o.tokens)
		o.keys["ST$"+token], o.kinds["ST$"+token] = key.(*rsa.PublicKey), "instance"
		return map[string]string{"token": token}, nil
	case "/v1/authentication/authenticateClient":
		id, err := o.signedBy(body.RequestHeaders)
		if err != nil {
			return map[string]any{"success": false, "errorMessage": err.Error()}, nil
		}
		return map[string]any{"success": true, "principal": map[string]any{
			"tenantId": "ocid1.tenancy.1", "subjectId": o.kinds[id],
			"claims": []map[string]string{{"key": "ptype", "value": o.kinds[id], "issuer": "authService.oracle.com"}},
		}}, nil
	case "/v1/filterGroupMembership":
		// Users are in the group people, instances in the group machines.
		mine := map[string]string{"user": "people", "instance": "machines"}[body.Principal.SubjectID]
		return map[string]any{"groupIds": slices.DeleteFunc(body.GroupIDs, func(g string) bool { return g != mine })}, nil
	}
	return nil, fmt.Errorf("no such path: %s", r.URL.Path)
}

func jwt(n int) string {
	b64 := base64.RawURLEncoding.EncodeToString
	return b64([]byte(`{"alg":"none"}`)) + "." + b64(fmt.Appendf(nil, `{"n":%d,"exp":%d}`, n, time.Now().Add(time.Hour).Unix())) + ".x"
}

// signedBy checks the signature of a login.
func (o *oracle) signedBy(h http.Header) (keyID string, err error) {
	m := regexp.MustCompile(`headers="([^"]*)",keyId="([^"]*)",algorithm="rsa-sha256",signature="([^"]*)"$`).FindStringSubmatch(h.Get("Authorization"))
	if m == nil {
		return "", errors.New("no signature")
	}
	var lines []string
	for name := range strings.FieldsSeq(m[1]) {
		v := append(h[name], h.Values(name)...)
		if len(v) == 0 {
			return "", fmt.Errorf("no header %s", name)
		}
		lines = append(lines, name+": "+v[0])
	}
	key := o.keys[m[2]]
	sig, err := base64.StdEncoding.DecodeString(m[3])
	if err != nil || key == nil {
		return "", errors.New("unknown key")
	}
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return m[2], rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig)
}

func (s *suite) oci(t *testing.T, n *internet) {
	o := &oracle{keys: map[string]*rsa.PublicKey{}, kinds: map[string]string{}}
	var interKey *rsa.PrivateKey
	o.inter, interKey = cloudtest.RSACertificate(t, &x509.Certificate{Subject: pkix.Name{CommonName: "intermediate"}, IsCA: true, BasicConstraintsValid: true}, nil, nil)
	o.leaf, o.leafKey = cloudtest.RSACertificate(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "ocid1.instance.1", OrganizationalUnit: []string{"opc-certtype:instance", "opc-tenant:ocid1.tenancy.1"}},
	}, o.inter, interKey)
	n.add(t, "169.254.169.254", o.metadata)
	n.add(t, "auth.eu-frankfurt-1.oraclecloud.com", o.auth)
	s.mount(t, "oci")
	s.put(t, "auth/oci/config", map[string]any{"home_tenancy_id": "ocid1.tenancy.1"})
	s.put(t, "auth/oci/role/people", map[string]any{"ocid_list": "people", "token_policies": "proof", "token_ttl": "1h"})
	s.put(t, "auth/oci/role/machines", map[string]any{"ocid_list": "machines,others", "token_policies": "proof", "token_ttl": "1h"})

	dir := t.TempDir()
	userKey := cloudtest.RSAKey(t)
	o.keys["ocid1.tenancy.1/ocid1.user.1/aa:bb"], o.kinds["ocid1.tenancy.1/ocid1.user.1/aa:bb"] = &userKey.PublicKey, "user"
	profile := "[DEFAULT]\ntenancy=ocid1.tenancy.1\nuser=ocid1.user.1\nfingerprint=aa:bb\nregion=eu-frankfurt-1\nkey_file=" + filepath.Join(dir, "key.pem")
	write(t, dir, "key.pem", keyPEM(userKey))
	t.Setenv("OCI_CONFIG_FILE", write(t, dir, "config", profile))
	log, _ := logger(t)
	method := func(kind, role string) *oci.Method {
		return &oci.Method{
			Client: s.client(t, vault.Options{}), MountPath: "auth/oci", Type: kind, Role: role, Log: log, Transport: n.transport(),
		}
	}
	s.works(t, method(oci.TypeAPIKey, "people"))
	s.works(t, method(oci.TypeAPIKey, "People")) // Vault's roles are in lower case
	s.works(t, method(oci.TypeInstance, "machines"))
	o.mu.Lock()
	if o.tokens < 2 || !slices.Contains(o.asked, "/v1/filterGroupMembership") {
		t.Errorf("%d tokens, asked %q", o.tokens, o.asked)
	}
	o.mu.Unlock()

	s.refused(t, method(oci.TypeAPIKey, "machines"), "auth/oci/login/machines", "Entity not a part of any of the Role OCIDs")
	s.refused(t, method(oci.TypeInstance, "none"), "auth/oci/login/none")
	other := cloudtest.RSAKey(t)
	write(t, dir, "key.pem", keyPEM(other))
	s.refused(t, method(oci.TypeAPIKey, "people"), "auth/oci/login/people", "OCI authentication failed")
}

package oci

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/auth/cloud/cloudtest"
)

// network is an instance's metadata, the service that gives security tokens,
// and a Vault that checks logins as its plugin does, and as the cloud that the
// plugin asks.
type network struct {
	t  *testing.T
	mu sync.Mutex

	version  string                    // of the metadata that are there: v2, v1, "" = none
	info     string                    // instance/regionInfo
	region   string                    // instance/region
	leaf     *x509.Certificate         // of the instance
	leafKey  *rsa.PrivateKey           //
	inter    *x509.Certificate         //
	roots    *x509.CertPool            // that the token service trusts
	authHost string                    // where the token service is
	keys     map[string]*rsa.PublicKey // by keyId: who the cloud knows
	tokens   int                       // how many security tokens were given
	refuse   bool                      // the token service says no
	keyID    string                    // of the last login
}

func (c *network) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	switch {
	case r.URL.Host == "169.254.169.254":
		c.metadata(w, r)
	case r.URL.Host == c.authHost:
		c.federate(w, r)
	case r.URL.Host == "vault.test:8200":
		c.vault(w, r)
	default:
		return nil, fmt.Errorf("no such host: %s", r.URL.Host)
	}
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

func (c *network) metadata(w http.ResponseWriter, r *http.Request) {
	path, found := strings.CutPrefix(r.URL.Path, "/opc/"+c.version)
	if c.version == "v2" && r.Header.Get("Authorization") != "Bearer Oracle" {
		w.WriteHeader(403)
		return
	}
	certPEM := func(c *x509.Certificate) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	var out string
	switch path {
	case "/instance/regionInfo":
		out = c.info
	case "/instance/region":
		out = c.region
	case "/identity/cert.pem":
		out = certPEM(c.leaf)
	case "/identity/key.pem":
		out = string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(c.leafKey)}))
	case "/identity/intermediate.pem":
		out = certPEM(c.inter)
	}
	if !found || out == "" {
		w.WriteHeader(404)
		return
	}
	_, _ = io.WriteString(w, out)
}

var authorization = regexp.MustCompile(`^Signature version="1",headers="([^"]*)",keyId="([^"]*)",algorithm="rsa-sha256",signature="([^"]*)"$`)

// verify checks a signature as the documentation has it. lookup gives the key
// of a keyId.
func verify(h http.Header, want string, lookup func(string) *rsa.PublicKey) (keyID string, err error) {
	m := authorization.FindStringSubmatch(h.Get("Authorization"))
	if m == nil || m[1] != want {
		return "", fmt.Errorf("authorization %q", h.Get("Authorization"))
	}
	var lines []string
	for _, name := range strings.Fields(m[1]) {
		v := h[name]
		if v == nil {
			v = h.Values(name)
		}
		if len(v) != 1 {
			return "", fmt.Errorf("header %s: %q", name, v)
		}
		lines = append(lines, name+": "+v[0])
	}
	if at, err := http.ParseTime(h.Get("Date")); err != nil || time.Since(at).Abs() > 5*time.Minute {
		return "", fmt.Errorf("date %q", h.Get("Date"))
	}
	key := lookup(m[2])
	if key == nil {
		return "", fmt.Errorf("unknown keyId")
	}
	sig, err := base64.StdEncoding.DecodeString(m[3])
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return m[2], rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig)
}

// federate gives security tokens to instances.
func (c *network) federate(w http.ResponseWriter, r *http.Request) {
	token, err := c.issue(r)
	if err == nil && c.refuse {
		err = errors.New("not today")
	}
	if err != nil {
		w.WriteHeader(401)
		_ = json.NewEncoder(w).Encode(map[string]string{"code": "NotAuthenticated", "message": err.Error()})
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"token": token})
}

func (c *network) issue(r *http.Request) (string, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return "", err
	}
	var body struct {
		Certificate, PublicKey   []byte
		IntermediateCertificates [][]byte
		FingerprintAlgorithm     string
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		return "", err
	}
	leaf, err := x509.ParseCertificate(body.Certificate)
	if err != nil {
		return "", err
	}
	inter := x509.NewCertPool()
	for _, der := range body.IntermediateCertificates {
		i, err := x509.ParseCertificate(der)
		if err != nil {
			return "", err
		}
		inter.AddCert(i)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: c.roots, Intermediates: inter, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		return "", err
	}
	h := r.Header.Clone()
	h["(request-target)"] = []string{"post /v1/x509"}
	h.Set("Content-Length", fmt.Sprint(r.ContentLength))
	sum := sha256.Sum256(raw)
	if r.Method != http.MethodPost || r.URL.Path != "/v1/x509" || h.Get("X-Content-Sha256") != base64.StdEncoding.EncodeToString(sum[:]) ||
		body.FingerprintAlgorithm != "SHA256" || int(r.ContentLength) != len(raw) {
		return "", fmt.Errorf("%s %s %v", r.Method, r.URL.Path, h)
	}
	print := sha256.Sum256(leaf.Raw)
	var parts []string
	for _, b := range print {
		parts = append(parts, fmt.Sprintf("%02x", b))
	}
	if _, err := verify(h, "date (request-target) content-length content-type x-content-sha256", func(id string) *rsa.PublicKey {
		if id != "ocid1.tenancy.1/fed-x509-sha256/"+strings.Join(parts, ":") {
			return nil
		}
		return leaf.PublicKey.(*rsa.PublicKey)
	}); err != nil {
		return "", err
	}
	session, err := x509.ParsePKIXPublicKey(body.PublicKey)
	if err != nil {
		return "", err
	}
	c.tokens++
	token := fmt.Sprintf("canary-jwt-%d", c.tokens)
	c.keys["ST$"+token] = session.(*rsa.PublicKey)
	return token, nil
}

func (c *network) vault(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Headers http.Header `json:"request_headers"`
	}
	err := json.NewDecoder(r.Body).Decode(&body)
	switch {
	case err != nil:
	case r.Method != http.MethodPut || r.URL.Path != "/v1/auth/cloud/login/dev":
		err = fmt.Errorf("%s %s", r.Method, r.URL.Path)
	case fmt.Sprint(body.Headers["(request-target)"]) != "[get /v1/auth/cloud/login/dev]":
		err = errors.New("incorrect (request-target) specified in header")
	case body.Headers.Get("Host") != "vault.test:8200":
		err = fmt.Errorf("host %q", body.Headers.Get("Host"))
	default:
		c.keyID, err = verify(body.Headers, "date (request-target) host", func(id string) *rsa.PublicKey { return c.keys[id] })
	}
	if err != nil {
		w.WriteHeader(400)
		_ = json.NewEncoder(w).Encode(map[string][]string{"errors": {err.Error()}})
		return
	}
	_, _ = io.WriteString(w, `{"auth":{"client_token":"canary-token","lease_duration":60,"renewable":false}}`)
}

func setup(t *testing.T, kind string) (*network, *Method) {
	t.Helper()
	cloudtest.Without(t, "OCI_", "TF_VAR_")
	c := &network{t: t, keys: map[string]*rsa.PublicKey{}}
	return c, &Method{
		Client: cloudtest.Client(t, "http://vault.test:8200", c), MountPath: "auth/cloud", Type: kind, Role: "Dev", home: t.TempDir(),
		Log: slog.New(slog.DiscardHandler), Transport: c,
	}
}

// public is the key in testdata.
func public(t *testing.T) *rsa.PublicKey {
	t.Helper()
	key, err := readKey("testdata/plain.pem", "")
	if err != nil {
		t.Fatal(err)
	}
	return &key.PublicKey
}

func keyFile(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	user1 = "ocid1.tenancy.1/ocid1.user.1/aa:bb"
	user2 = "ocid1.tenancy.1/ocid1.user.2/cc:dd"
)

// conf is a configuration file.
func conf(user, print, key, more string) string {
	return "# comment = 1\n[OTHER]\nuser=nobody\n\n[DEFAULT]\nuser = " + user + "\nFingerprint=" + print +
		"\ntenancy=ocid1.tenancy.1\nregion=eu-frankfurt-1\nkey_file=" + key + "\n" + more + "\n[NEXT]\nuser=nobody\n"
}

func TestAPIKey(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*testing.T, *Method)
		want string
	}{
		{"home", func(t *testing.T, m *Method) {
			cloudtest.Write(t, m.home+"/.oci/config", conf("ocid1.user.1", "aa:bb", keyFile(t, "plain.pem"), ""))
			cloudtest.Write(t, m.home+"/other", conf("ocid1.user.2", "cc:dd", keyFile(t, "plain.pem"), ""))
			t.Setenv("OCI_CONFIG_FILE", m.home+"/other") // counts only when there is none at home
		}, user1},
		{"OCI_CONFIG_FILE", func(t *testing.T, m *Method) {
			cloudtest.Write(t, m.home+"/other", conf("ocid1.user.2", "cc:dd", keyFile(t, "pkcs8.pem"), ""))
			t.Setenv("OCI_CONFIG_FILE", m.home+"/other")
		}, user2},
		{"old home, ~", func(t *testing.T, m *Method) {
			raw, err := os.ReadFile("testdata/plain.pem")
			if err != nil {
				t.Fatal(err)
			}
			cloudtest.Write(t, m.home+"/keys/k.pem", string(raw)+"\nOCI_API_KEY\n")
			cloudtest.Write(t, m.home+"/.obmcs/config", conf("ocid1.user.1", "aa:bb", "~/keys/k.pem", ""))
		}, user1},
		{"environment", func(t *testing.T, _ *Method) {
			t.Setenv("TF_VAR_tenancy_ocid", "ocid1.tenancy.1")
			t.Setenv("TF_VAR_user_ocid", "ocid1.user.2")
			t.Setenv("TF_VAR_fingerprint", "cc:dd")
			t.Setenv("TF_VAR_private_key_path", keyFile(t, "aes256.pem"))
			t.Setenv("TF_VAR_private_key_password", "canary-pass")
		}, user2},
		{"security token", func(t *testing.T, m *Method) {
			cloudtest.Write(t, m.home+"/token", "canary-session\n")
			cloudtest.Write(t, m.home+"/.oci/config", "[DEFAULT]\ntenancy=x\nkey_file="+keyFile(t, "plain.pem")+"\nsecurity_token_file=~/token\n")
		}, "ST$canary-session"},
		{"PBES2 AES-256", encrypted("aes256.pem"), user1},
		{"PBES2 AES-128, SHA-1", encrypted("aes128.pem"), user1},
		{"PBES2 triple DES, SHA-512", encrypted("des3.pem"), user1},
		{"traditional encryption", encrypted("traditional.pem"), user1},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl, m := setup(t, TypeAPIKey)
			cl.keys[c.want] = public(t)
			c.set(t, m)
			a, err := m.Login(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if a.ClientToken.Reveal() != "canary-token" || cl.keyID != c.want {
				t.Errorf("signed by %q: %+v", cl.keyID, a)
			}
		})
	}
}

func encrypted(name string) func(*testing.T, *Method) {
	return func(t *testing.T, m *Method) {
		cloudtest.Write(t, m.home+"/.oci/config", conf("ocid1.user.1", "aa:bb", keyFile(t, name), "pass_phrase = canary-pass"))
	}
}

func TestAPIKeyErrors(t *testing.T) {
	withKey := func(name, more string) func(*testing.T, *Method) {
		return func(t *testing.T, m *Method) {
			cloudtest.Write(t, m.home+"/.oci/config", conf("ocid1.user.1", "aa:bb", keyFile(t, name), more))
		}
	}
	text := func(s string) func(*testing.T, *Method) {
		return func(t *testing.T, m *Method) { cloudtest.Write(t, m.home+"/.oci/config", s) }
	}
	for _, c := range []struct {
		name, want string
		set        func(*testing.T, *Method)
	}{
		{"nothing", "oci: no configuration file (~/.oci/config, or what OCI_CONFIG_FILE names), and the environment variable TF_VAR_tenancy_ocid is not set", func(*testing.T, *Method) {}},
		{"no profile", "/.oci/config: it has no profile [DEFAULT]", text("[OTHER]\nuser=x\n")},
		{"no key", "profile [DEFAULT] has no key_file", text("[DEFAULT]\nuser=x\n")},
		{"no user", "profile [DEFAULT] has no user", text("[DEFAULT]\ntenancy=x\nkey_file=" + keyFile(t, "plain.pem"))},
		{"no key file", "key_file: open /none/k.pem: no such file", text("[DEFAULT]\nkey_file=/none/k.pem")},
		{"no token file", "security_token_file: open /none: no such file", text("[DEFAULT]\nsecurity_token_file=/none\nkey_file=" + keyFile(t, "plain.pem"))},
		{"no pass phrase", "aes256.pem is encrypted, and there is no pass_phrase", withKey("aes256.pem", "")},
		{"wrong pass phrase", "aes256.pem ", withKey("aes256.pem", "pass_phrase=canary-wrong")},
		{"wrong pass phrase, traditional", "traditional.pem ", withKey("traditional.pem", "pass_phrase=canary-wrong")},
		{"scrypt", "only PBES2 with PBKDF2 is", withKey("scrypt.pem", "pass_phrase=canary-pass")},
		{"ARIA", "use AES", withKey("aria.pem", "pass_phrase=canary-pass")},
		{"no RSA key", "ec.pem is not an RSA key", withKey("ec.pem", "")},
		{"no PEM", "oci_test.go is not PEM", withKey("../oci_test.go", "")},
		{"unknown to the cloud", "log in at auth/cloud/login/dev: unknown keyId", withKey("plain.pem", "")},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, m := setup(t, TypeAPIKey)
			c.set(t, m)
			_, err := m.Login(context.Background())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if strings.Contains(fmt.Sprint(err), "canary-") {
				t.Errorf("a secret in %v", err)
			}
		})
	}
}

// boot gives the instance a certificate.
func (c *network) boot(t *testing.T, subject ...string) {
	t.Helper()
	ca := func(name string) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true}
	}
	root, rootKey := cloudtest.RSACertificate(t, ca("root"), nil, nil)
	inter, interKey := cloudtest.RSACertificate(t, ca("intermediate"), root, rootKey)
	leaf, leafKey := cloudtest.RSACertificate(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "ocid1.instance.1", OrganizationalUnit: subject},
	}, inter, interKey)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roots = x509.NewCertPool()
	c.roots.AddCert(root)
	c.leaf, c.leafKey, c.inter = leaf, leafKey, inter
}

const regionInfo = `{"realmKey":"oc1","realmDomainComponent":"oraclecloud.com","regionKey":"FRA","regionIdentifier":"eu-frankfurt-1"}`

func TestInstance(t *testing.T) {
	for _, c := range []struct{ name, version, info, region, env, host string }{
		{"regionInfo", "v2", regionInfo, "fra", "", "auth.eu-frankfurt-1.oraclecloud.com"},
		{"another realm", "v2", strings.Replace(regionInfo, "oraclecloud.com", "oraclegovcloud.com", 1), "", "", "auth.eu-frankfurt-1.oraclegovcloud.com"},
		{"code", "v2", "", "phx\n", "", "auth.us-phoenix-1.oraclecloud.com"},
		{"name", "v2", "", "uk-cardiff-1", "", "auth.uk-cardiff-1.oraclecloud.com"},
		{"first version", "v1", "", "iad", "", "auth.us-ashburn-1.oraclecloud.com"},
		{"moved", "v2", regionInfo, "", "https://elsewhere.test", "elsewhere.test"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl, m := setup(t, TypeInstance)
			cl.version, cl.info, cl.region, cl.authHost = c.version, c.info, c.region, c.host
			t.Setenv("OCI_SDK_AUTH_CLIENT_REGION_URL", c.env)
			cl.boot(t, "opc-certtype:instance", "opc-tenant:ocid1.tenancy.1")
			for n := range 2 { // a new token at every login
				if _, err := m.Login(context.Background()); err != nil {
					t.Fatal(err)
				}
				if want := fmt.Sprintf("ST$canary-jwt-%d", n+1); cl.keyID != want {
					t.Errorf("signed by %q, want %q", cl.keyID, want)
				}
			}
		})
	}
}

func TestInstanceErrors(t *testing.T) {
	for _, c := range []struct {
		name, want string
		set        func(*network)
	}{
		{"no metadata", "oci: instance metadata: http://169.254.169.254/opc/v1/instance/region: status 404", func(c *network) { c.version = "" }},
		{"no tenancy", "the certificate names no tenancy", func(c *network) { c.boot(c.t, "opc-certtype:instance") }},
		{"no token service", "ask auth.eu-frankfurt-1.oraclecloud.com for a security token: no such host", func(c *network) { c.authHost = "" }},
		{"refused", "ask auth.eu-frankfurt-1.oraclecloud.com for a security token: status 401, NotAuthenticated: not today", func(c *network) { c.refuse = true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl, m := setup(t, TypeInstance)
			cl.version, cl.info, cl.authHost = "v2", regionInfo, "auth.eu-frankfurt-1.oraclecloud.com"
			cl.boot(t, "opc-tenant:ocid1.tenancy.1")
			c.set(cl)
			_, err := m.Login(context.Background())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if strings.Contains(fmt.Sprint(err), "canary-") {
				t.Errorf("a secret in %v", err)
			}
		})
	}
}

func TestWatch(t *testing.T) {
	cl, m := setup(t, TypeAPIKey)
	file := m.home + "/.oci/config"
	first, second := conf("ocid1.user.1", "aa:bb", keyFile(t, "plain.pem"), ""), conf("ocid1.user.2", "cc:dd", keyFile(t, "plain.pem"), "")
	cloudtest.Write(t, file, first)
	cl.keys[user1] = public(t)
	m.CredentialPollInterval = 20 * time.Second
	synctest.Test(t, func(t *testing.T) {
		if _, err := m.Login(context.Background()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var calls []time.Duration
		start := time.Now()
		go m.Watch(ctx, func() { calls = append(calls, time.Since(start)) })
		time.Sleep(50 * time.Second)
		cloudtest.Write(t, file, second)
		time.Sleep(50 * time.Second)
		cloudtest.Write(t, file, "half a fi") // somebody is writing
		time.Sleep(50 * time.Second)
		cloudtest.Write(t, file, first)
		time.Sleep(50 * time.Second)
		cancel()
		synctest.Wait()
		if got := fmt.Sprint(calls); got != "[1m0s 2m40s]" {
			t.Errorf("changed at %s", got)
		}
	})
}

// TestWatchInstance: another certificate of the instance, not another security
// token, makes a change.
func TestWatchInstance(t *testing.T) {
	cl, m := setup(t, TypeInstance)
	cl.version, cl.info, cl.authHost = "v2", regionInfo, "auth.eu-frankfurt-1.oraclecloud.com"
	cl.boot(t, "opc-tenant:ocid1.tenancy.1")
	if _, err := m.Login(context.Background()); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		calls := 0
		go m.Watch(ctx, func() { calls++ })
		time.Sleep(3*time.Minute + time.Second)
		if calls != 0 {
			t.Errorf("%d calls without a change", calls)
		}
		cl.boot(t, "opc-tenant:ocid1.tenancy.1")
		time.Sleep(3 * time.Minute)
		cancel()
		synctest.Wait()
		if calls != 1 {
			t.Errorf("%d calls", calls)
		}
	})
}

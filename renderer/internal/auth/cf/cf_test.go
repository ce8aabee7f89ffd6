package cf

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vault-renderer/renderer/internal/auth/cloud/cloudtest"
	"vault-renderer/renderer/internal/vault"
)

// instance is what Cloud Foundry puts into a container, and the root that a
// Vault would know.
type instance struct {
	certPath, keyPath string
	roots             *x509.CertPool
}

// issue makes a root, an intermediate and an instance certificate, and writes
// the files as the platform does.
func issue(t *testing.T, dir string) instance {
	t.Helper()
	ca := func(name string) *x509.Certificate {
		return &x509.Certificate{
			Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}
	}
	root, rootKey := cloudtest.RSACertificate(t, ca("root"), nil, nil)
	inter, interKey := cloudtest.RSACertificate(t, ca("intermediate"), root, rootKey)
	leaf, key := cloudtest.RSACertificate(t, &x509.Certificate{
		Subject:     pkix.Name{CommonName: "instance-1", OrganizationalUnit: []string{"organization:org-1", "space:space-1", "app:app-1"}},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, inter, interKey)

	i := instance{certPath: filepath.Join(dir, "instance.crt"), keyPath: filepath.Join(dir, "instance.key"), roots: x509.NewCertPool()}
	i.roots.AddCert(root)
	certs := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: inter.Raw})...)
	write(t, i.certPath, certs)
	write(t, i.keyPath, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	return i
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// check judges a login as Vault's plugin does: the time, the chain, the
// signature.
func (i instance) check(r *http.Request) error {
	var body struct {
		Role, Signature string
		Cert            string `json:"cf_instance_cert"`
		SigningTime     string `json:"signing_time"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return err
	}
	at, err := time.Parse("2006-01-02T15:04:05Z", body.SigningTime)
	if err != nil || time.Since(at).Abs() > 60*time.Second {
		return fmt.Errorf("signing time %q: %v", body.SigningTime, err)
	}
	var leaf *x509.Certificate
	inter := x509.NewCertPool()
	for rest := []byte(body.Cert); ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return err
		}
		if c.IsCA {
			inter.AddCert(c)
		} else {
			leaf = c
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: i.roots, Intermediates: inter}); err != nil {
		return err
	}
	sig, found := strings.CutPrefix(body.Signature, "v1:")
	raw, err := base64.StdEncoding.DecodeString(sig)
	if err != nil || !found {
		return fmt.Errorf("signature %q: %v", body.Signature, err)
	}
	sum := sha256.Sum256([]byte(at.UTC().Format("2006-01-02T15:04:05Z") + body.Cert + body.Role))
	return rsa.VerifyPSS(leaf.PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], raw, nil)
}

// newMethod gives a method whose Vault judges logins with check.
func newMethod(t *testing.T, check func(*http.Request) error) *Method {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut || r.URL.Path != "/v1/auth/pcf/login" {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		if err := check(r); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"errors":[%q]}`, err)
			return
		}
		_, _ = w.Write([]byte(`{"auth":{"client_token":"canary-token","lease_duration":60,"renewable":true}}`))
	}))
	t.Cleanup(srv.Close)
	return &Method{Client: cloudtest.Client(t, srv.URL, nil), MountPath: "auth/pcf", Role: "app", Log: slog.New(slog.DiscardHandler)}
}

func TestLogin(t *testing.T) {
	dir := t.TempDir()
	i := issue(t, dir)
	m := newMethod(t, func(r *http.Request) error { return i.check(r) })
	t.Setenv(envCert, i.certPath)
	t.Setenv(envKey, i.keyPath)
	login := func() {
		t.Helper()
		a, err := m.Login(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if a.ClientToken.Reveal() != "canary-token" || a.TTL.TTL != time.Minute {
			t.Errorf("got %+v", a)
		}
	}
	login()
	i = issue(t, dir) // the platform replaces the files
	login()
}

func TestKeyPKCS8(t *testing.T) {
	i := issue(t, t.TempDir())
	raw, err := os.ReadFile(i.keyPath)
	if err != nil {
		t.Fatal(err)
	}
	key, err := parseKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, i.keyPath, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	t.Setenv(envCert, i.certPath)
	t.Setenv(envKey, i.keyPath)
	if _, err := newMethod(t, i.check).Login(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	i, other := issue(t, dir), issue(t, t.TempDir())
	junk := filepath.Join(dir, "junk")
	write(t, junk, []byte("canary-junk"))
	pemJunk := filepath.Join(dir, "pem")
	write(t, pemJunk, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: []byte("canary-der")}))
	empty := filepath.Join(dir, "empty")
	write(t, empty, nil)
	for _, c := range []struct{ name, cert, key, want string }{
		{"no variable", "", i.keyPath, "cf: the environment variable CF_INSTANCE_CERT is not set: Cloud Foundry sets it in an application's container"},
		{"no key variable", i.certPath, "", "the environment variable CF_INSTANCE_KEY is not set"},
		{"no file", dir + "/none", i.keyPath, "the file that CF_INSTANCE_CERT names: open " + dir + "/none: no such file or directory"},
		{"empty", empty, i.keyPath, "the file " + empty + ", which CF_INSTANCE_CERT names, is empty"},
		{"key junk", i.certPath, junk, "the key in " + junk + " (CF_INSTANCE_KEY) is not PEM"},
		{"key no key", i.certPath, pemJunk, "is not an RSA key"},
		{"cert junk", junk, i.keyPath, "the certificate in " + junk + " (CF_INSTANCE_CERT) is not PEM"},
		{"cert no cert", pemJunk, i.keyPath, "(CF_INSTANCE_CERT) can't be read"},
		{"not the pair", i.certPath, other.keyPath, "is not that of the key that CF_INSTANCE_KEY names"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMethod(t, func(*http.Request) error {
				t.Error("Vault was asked")
				return nil
			})
			t.Setenv(envCert, c.cert)
			t.Setenv(envKey, c.key)
			_, err := m.Login(context.Background())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if strings.Contains(fmt.Sprint(err), "canary-") || bytes.Contains([]byte(fmt.Sprint(err)), []byte("PRIVATE")) {
				t.Errorf("a secret in %v", err)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	i := issue(t, t.TempDir())
	t.Setenv(envCert, i.certPath)
	t.Setenv(envKey, i.keyPath)
	m := newMethod(t, func(*http.Request) error { return fmt.Errorf("no matching role") })
	_, err := m.Login(context.Background())
	if vault.ClassOf(err) != vault.Invalid || !strings.Contains(err.Error(), "log in at auth/pcf/login: no matching role") {
		t.Errorf("got %v", err)
	}
}

package method_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/auth/method"
	"vault-renderer/renderer/internal/vault"
)

// authority makes certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

// issue gives a certificate and its key, signed by a (by itself when a is nil).
func (a *authority) issue(t *testing.T, name string) (certPEM, keyPEM string, made *authority) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	// Fake time begins in 2000.
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	parent, signer := c, key
	if a == nil {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	} else {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	keyPEM = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
	return certPEM, keyPEM, &authority{cert: c, key: key, pem: certPEM}
}

// shop is a Vault with TLS that notes who comes.
type shop struct {
	*fake
	ca   *authority
	addr string

	mu    sync.Mutex
	names []string // of the client certificates; "" = none
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{fake: newFake(t)}
	_, _, s.ca = (*authority)(nil).issue(t, "ca")
	cert, key, _ := s.ca.issue(t, "vault")
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	srv.Config.ErrorLog = log.New(&s.log, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	s.addr = srv.URL
	s.write("ca.pem", s.ca.pem)
	return s
}

func (s *shop) serve(w http.ResponseWriter, r *http.Request) {
	name := ""
	if c := r.TLS.PeerCertificates; len(c) > 0 {
		name = c[0].Subject.CommonName
	}
	s.mu.Lock()
	s.names = append(s.names, name)
	s.mu.Unlock()
	resp, err := s.fake.RoundTrip(r) // notes the request
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write([]byte(granted))
}

// pair writes a certificate for name.
func (s *shop) pair(name string) {
	s.t.Helper()
	cert, key, _ := s.ca.issue(s.t, name)
	s.write("cert.pem", cert)
	s.write("key.pem", key)
}

// client has the TLS settings of a vault stanza.
func (s *shop) client(o vault.Options) *vault.Client {
	s.t.Helper()
	o.Address = s.addr
	c, err := vault.New(o)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// comes logs m in and wants to be seen under that name.
func (s *shop) comes(m *method.Cert, name string) {
	s.t.Helper()
	if _, err := m.Login(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.names) != 1 || s.names[0] != name {
		s.t.Errorf("seen %q, want %q", s.names, name)
	}
	s.names = nil
}

func (s *shop) method(c *vault.Client) *method.Cert {
	return &method.Cert{
		Client: c, MountPath: "auth/c", CACert: s.path("ca.pem"), ClientCert: s.path("cert.pem"), ClientKey: s.path("key.pem"), Log: s.logger(),
	}
}

func TestCertRequest(t *testing.T) {
	f := newFake(t)
	f.sends(&method.Cert{Client: f.client, MountPath: "auth/c"}, "auth/c/login", map[string]any{})
	f.sends(&method.Cert{Client: f.client, MountPath: "auth/c", Name: "web"}, "auth/c/login", map[string]any{"name": "web"})
}

// Without files of its own, or with half a pair, the stanza's are shown.
func TestCertOfTheStanza(t *testing.T) {
	s := newShop(t)
	s.pair("stanza")
	c := s.client(vault.Options{CACert: s.path("ca.pem"), ClientCert: s.path("cert.pem"), ClientKey: s.path("key.pem")})
	s.comes(&method.Cert{Client: c, MountPath: "auth/c"}, "stanza")
	s.comes(&method.Cert{Client: c, MountPath: "auth/c", ClientCert: "/missing"}, "stanza")
	s.comes(&method.Cert{Client: c, MountPath: "auth/c", ClientKey: "/missing"}, "stanza")
	s.comes(&method.Cert{Client: c, MountPath: "auth/c", CACert: s.path("ca.pem")}, "stanza")
}

// Own files are read once, or again at every login.
func TestCertOwnFiles(t *testing.T) {
	s := newShop(t)
	c := s.client(vault.Options{})
	once, again := s.method(c), s.method(c)
	again.Reload = true
	s.pair("one")
	s.comes(once, "one")
	s.comes(again, "one")
	s.pair("two")
	s.comes(once, "one")
	s.comes(again, "two")
}

// Only a client that knows the server's authority talks to it.
func TestCertOwnAuthority(t *testing.T) {
	s := newShop(t)
	s.pair("one")
	m := s.method(s.client(vault.Options{}))
	m.CACert = ""
	s.fails(m, false, "auth/c/login", "certificate signed by unknown authority")
	m = s.method(s.client(vault.Options{}))
	m.ClientCert, m.ClientKey = "", ""
	s.comes(m, "")
}

// Files that are missing or wrong are named, and tried again.
func TestCertBadFiles(t *testing.T) {
	s := newShop(t)
	m := s.method(s.client(vault.Options{}))
	s.fails(m, false, "files of the cert method", s.path("cert.pem"))
	s.pair("one")
	s.write("key.pem", "canary-no-key")
	s.fails(m, false, "files of the cert method", "key")
	s.pair("one")
	s.write("ca.pem", "canary-no-ca")
	s.fails(m, false, "files of the cert method")
	s.write("ca.pem", s.ca.pem)
	s.comes(m, "one")
}

func TestCertRefused(t *testing.T) {
	f := newFake(t)
	f.answers(400, `{"errors":["client certificate must be supplied"]}`)
	f.fails(&method.Cert{Client: f.client, MountPath: "auth/c"}, true, "auth/c/login", "client certificate must be supplied")
}

// A Watch tells of a pair that fits, not of half of one.
func TestCertWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shop{fake: newFake(t)}
		_, _, s.ca = (*authority)(nil).issue(t, "ca")
		s.write("ca.pem", s.ca.pem)
		s.pair("one")
		m := s.method(s.fake.client)
		m.Reload, m.ReloadPeriod = true, 10*time.Second
		watching(t, m, func(after func(time.Duration) int) {
			want := func(what string, n int) {
				t.Helper()
				if got := after(10 * time.Second); got != n {
					t.Errorf("%s: told %d times, want %d", what, got, n)
				}
			}
			want("nothing happened", 0)
			cert, key, _ := s.ca.issue(t, "two")
			s.write("cert.pem", cert)
			want("half a pair", 0)
			s.write("key.pem", key)
			want("a new pair", 1)
			want("nobody logged in", 0)
			if _, err := m.Login(t.Context()); err != nil {
				t.Fatal(err)
			}
			want("used now", 0)
			s.write("ca.pem", s.ca.pem+s.ca.pem)
			want("another authority", 1)
			if err := os.Remove(s.path("ca.pem")); err != nil {
				t.Fatal(err)
			}
			want("a file is gone", 0)
		})
	})
}

// What is read once, or is not the method's own, is not watched.
func TestCertWatchNothing(t *testing.T) {
	for name, change := range map[string]func(*method.Cert){
		"no reload":    func(m *method.Cert) { m.Reload = false },
		"no own files": func(m *method.Cert) { m.CACert, m.ClientCert, m.ClientKey = "", "", "" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &shop{fake: newFake(t)}
				_, _, s.ca = (*authority)(nil).issue(t, "ca")
				s.write("ca.pem", s.ca.pem)
				s.pair("one")
				m := s.method(s.fake.client)
				m.Reload, m.ReloadPeriod = true, time.Second
				change(m)
				watching(t, m, func(after func(time.Duration) int) {
					s.pair("two")
					if n := after(time.Hour); n != 0 {
						t.Errorf("told %d times", n)
					}
				})
			})
		})
	}
}

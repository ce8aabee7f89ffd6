package method_test

import (
	"crypto/tls"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/auth/method"
	"vault-renderer/renderer/internal/vault"
	"vault-renderer/testbed/pki"
)

// authority makes an authority.
func authority(t *testing.T) *pki.Authority {
	t.Helper()
	ca, err := pki.New("ca")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// shop is a Vault with TLS that notes who comes.
type shop struct {
	*fake
	ca   *pki.Authority
	addr string

	mu    sync.Mutex
	names []string // of the client certificates; "" = none
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{fake: newFake(t)}
	s.ca = authority(t)
	cert, key := s.issue("vault")
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
	s.write("ca.pem", s.ca.Cert)
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

func (s *shop) issue(name string) (cert, key string) {
	s.t.Helper()
	cert, key, err := s.ca.Issue(name)
	if err != nil {
		s.t.Fatal(err)
	}
	return cert, key
}

// pair writes a certificate for name.
func (s *shop) pair(name string) {
	s.t.Helper()
	cert, key := s.issue(name)
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
	s.write("ca.pem", s.ca.Cert)
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
		s.ca = authority(t)
		s.write("ca.pem", s.ca.Cert)
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
			cert, key := s.issue("two")
			s.write("cert.pem", cert)
			want("half a pair", 0)
			s.write("key.pem", key)
			want("a new pair", 1)
			want("nobody logged in", 0)
			if _, err := m.Login(t.Context()); err != nil {
				t.Fatal(err)
			}
			want("used now", 0)
			s.write("ca.pem", s.ca.Cert+s.ca.Cert)
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
				s.ca = authority(t)
				s.write("ca.pem", s.ca.Cert)
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

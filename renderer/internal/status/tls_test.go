package status

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// authority signs certificates for 127.0.0.1, for servers and clients.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
	dir  string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir(), pool: x509.NewCertPool()}
	a.cert, a.key = sign(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	a.pool.AddCert(a.cert)
	writePEM(t, filepath.Join(a.dir, "ca.pem"), "CERTIFICATE", a.cert.Raw)
	return a
}

func sign(t *testing.T, c, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if c.SerialNumber == nil {
		c.SerialNumber = big.NewInt(1)
	}
	c.Subject = pkix.Name{CommonName: fmt.Sprint("test ", c.SerialNumber)}
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed, key
}

// issue writes a certificate and its key.
func (a *authority) issue(t *testing.T, name string, serial int64) (cert, key string) {
	t.Helper()
	c, k := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{"example.test"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, a.key)
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	writePEM(t, cert, "CERTIFICATE", c.Raw)
	writePEM(t, key, "PRIVATE KEY", der)
	return cert, key
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// shake asks for the metrics and gives what was agreed.
func (a *authority) shake(t *testing.T, s *Server, c *tls.Config) (*tls.ConnectionState, error) {
	t.Helper()
	c = c.Clone()
	c.RootCAs, c.ServerName = a.pool, "example.test"
	web := client(t, s)
	tr := web.Transport.(*http.Transport)
	tr.TLSClientConfig, tr.ForceAttemptHTTP2, tr.DisableKeepAlives = c, true, true
	resp, err := web.Get("https://example.test" + metricsPath)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %d", resp.StatusCode)
	}
	return resp.TLS, nil
}

func serveTLS(t *testing.T, o TLS) *Server {
	t.Helper()
	s, _ := run(t, Options{Type: "tcp", Address: "127.0.0.1:0", TLS: o}, Handlers{Metrics: metricsHandler("m")})
	if !strings.HasPrefix(s.URL(), "https://127.0.0.1:") {
		t.Error(s.URL())
	}
	return s
}

func TestTLSVersions(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue(t, "server", 2)
	const aes256 = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
	for _, c := range []struct {
		name   string
		server TLS
		client *tls.Config
		want   uint16 // 0 = refused
	}{
		{"newest", TLS{}, &tls.Config{}, tls.VersionTLS13},
		{"1.2", TLS{}, &tls.Config{MaxVersion: tls.VersionTLS12}, tls.VersionTLS12},
		{"too old", TLS{}, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, 0},
		{"old allowed", TLS{MinVersion: "tls11"}, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, tls.VersionTLS11},
		{"minimum", TLS{MinVersion: "tls13"}, &tls.Config{MaxVersion: tls.VersionTLS12}, 0},
		{"maximum", TLS{MaxVersion: "tls12"}, &tls.Config{}, tls.VersionTLS12},
		{"too new", TLS{MaxVersion: "tls12"}, &tls.Config{MinVersion: tls.VersionTLS13}, 0},
		{"suite", TLS{MaxVersion: "tls12", CipherSuites: []string{aes256}}, &tls.Config{}, tls.VersionTLS12},
		{
			"other suite",
			TLS{MaxVersion: "tls12", CipherSuites: []string{aes256}},
			&tls.Config{CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}},
			0,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.server.CertFile, c.server.KeyFile = cert, key
			state, err := a.shake(t, serveTLS(t, c.server), c.client)
			switch {
			case c.want == 0 && err == nil:
				t.Errorf("agreed on %s", tls.VersionName(state.Version))
			case c.want != 0 && err != nil:
				t.Error(err)
			case c.want != 0 && state.Version != c.want:
				t.Errorf("got %s", tls.VersionName(state.Version))
			}
		})
	}
}

func TestClientCertificates(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	cert, key := a.issue(t, "server", 2)
	pair := func(by *authority) []tls.Certificate {
		c, err := tls.LoadX509KeyPair(by.issue(t, "client", 3))
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{c}
	}
	mine, foreign := &tls.Config{Certificates: pair(a)}, &tls.Config{Certificates: pair(stranger)}
	ca := filepath.Join(a.dir, "ca.pem")
	for _, c := range []struct {
		name   string
		server TLS
		client *tls.Config
		ok     bool
	}{
		{"mine", TLS{RequireAndVerifyClientCert: true, ClientCAFile: ca}, mine, true},
		{"a stranger's", TLS{RequireAndVerifyClientCert: true, ClientCAFile: ca}, foreign, false},
		{"none", TLS{RequireAndVerifyClientCert: true, ClientCAFile: ca}, &tls.Config{}, false},
		{"not needed", TLS{ClientCAFile: ca}, &tls.Config{}, true},
		{"not checked", TLS{ClientCAFile: ca}, foreign, true},
		{"no HTTP/2", TLS{}, &tls.Config{NextProtos: []string{"h2", "http/1.1"}}, true},
		{"not asked for", TLS{DisableClientCerts: true}, foreign, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.server.CertFile, c.server.KeyFile = cert, key
			if _, err := a.shake(t, serveTLS(t, c.server), c.client); (err == nil) != c.ok {
				t.Error(err)
			}
		})
	}
}

func TestBadTLS(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue(t, "server", 2)
	_, other := a.issue(t, "other", 3)
	empty := filepath.Join(a.dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    TLS
		want string
	}{
		{TLS{}, "tls_disable = true"},
		{TLS{CertFile: cert}, "tls_key_file"},
		{TLS{CertFile: a.dir + "/nosuch", KeyFile: key}, "nosuch: no such file"},
		{TLS{CertFile: cert, KeyFile: other}, "private key does not match"},
		{TLS{CertFile: cert, KeyFile: key, MinVersion: "tls9"}, "tls_min_version"},
		{TLS{CertFile: cert, KeyFile: key, MaxVersion: "1.3"}, "tls_max_version"},
		{TLS{CertFile: cert, KeyFile: key, MinVersion: "tls13", MaxVersion: "tls12"}, "is below"},
		{TLS{CertFile: cert, KeyFile: key, CipherSuites: []string{"ROT13"}}, `"ROT13"`},
		{TLS{CertFile: cert, KeyFile: key, ClientCAFile: a.dir + "/nosuch"}, "tls_client_ca_file"},
		{TLS{CertFile: cert, KeyFile: key, ClientCAFile: empty}, "has no certificate"},
		{TLS{CertFile: cert, KeyFile: key, RequireAndVerifyClientCert: true, DisableClientCerts: true}, "exclude each other"},
	} {
		_, err := Listen(Options{Type: "tcp", Address: "127.0.0.1:0", TLS: c.o}, Handlers{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
}

func TestReloadCertificates(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue(t, "server", 2)
	s := serveTLS(t, TLS{CertFile: cert, KeyFile: key})
	serial := func() int64 {
		state, err := a.shake(t, s, &tls.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return state.PeerCertificates[0].SerialNumber.Int64()
	}
	a.issue(t, "server", 7)
	if got := serial(); got != 2 {
		t.Errorf("serial %d before the reload", got)
	}
	if err := s.ReloadCertificates(); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != 7 {
		t.Errorf("serial %d after the reload", got)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if err := s.ReloadCertificates(); err == nil || !strings.Contains(err.Error(), "stays") || !strings.Contains(err.Error(), key) {
		t.Errorf("got %v", err)
	}
	if got := serial(); got != 7 {
		t.Errorf("serial %d after the reload that failed", got)
	}
	without, _ := run(t, plain(Options{}), Handlers{})
	if err := without.ReloadCertificates(); err != nil {
		t.Error(err)
	}
}

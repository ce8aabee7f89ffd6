package proof

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"vault-renderer/renderer/internal/auth/cloud/cloudtest"
)

// TestRealVaultClouds runs the proofs of the methods for which Vault asks hosts
// on the internet: it reaches stand-ins of theirs through a proxy, which it
// takes from its environment.
func TestRealVaultClouds(t *testing.T) {
	n := newInternet(t)
	n.aroundVault(t)
	s := start(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *internet)
	}{
		{"aws", s.aws},
		{"azure", s.azure},
		{"gcp", s.gcp},
		{"cf", s.cf},
		{"kerberos", s.kerberos},
		{"alicloud", s.alicloud},
		{"oci", s.oci},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, n) })
	}
}

// internet is a proxy behind which hosts are handlers. It terminates TLS with
// certificates of its own authority.
type internet struct {
	proxy *url.URL
	root  *x509.Certificate
	key   *ecdsa.PrivateKey
	conns chan net.Conn // TLS, to be served

	mu    sync.Mutex
	hosts map[string]http.Handler
}

func newInternet(t *testing.T) *internet {
	t.Helper()
	n := &internet{conns: make(chan net.Conn), hosts: map[string]http.Handler{}}
	n.root, n.key = n.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "internet"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	front := httptest.NewServer(http.HandlerFunc(n.serve))
	inner := &http.Server{Handler: http.HandlerFunc(n.serve), ReadHeaderTimeout: 10 * time.Second}
	l := &tunnel{conns: n.conns, closed: make(chan struct{})}
	done := make(chan error, 1)
	go func() { done <- inner.Serve(l) }()
	t.Cleanup(func() {
		front.Close()
		_ = inner.Close()
		<-done
	})
	n.proxy, _ = url.Parse(front.URL)
	return n
}

// sign makes a certificate.
func (n *internet) sign(t *testing.T, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return cloudtest.Certificate(t, c, n.root, key, n.key), key
}

// add puts a host on the net.
func (n *internet) add(t *testing.T, host string, h http.HandlerFunc) {
	t.Helper()
	cert, key := n.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}})
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[host] = h
	n.hosts[host+":443"] = tunnelTo(tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}, n.conns)
}

func (n *internet) serve(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	h := n.hosts[r.Host]
	n.mu.Unlock()
	if h == nil {
		http.Error(w, "no such host: "+r.Host, http.StatusBadGateway)
		return
	}
	h.ServeHTTP(w, r)
}

// tunnelTo answers CONNECT.
func tunnelTo(cert tls.Certificate, conns chan<- net.Conn) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil || r.Method != http.MethodConnect {
			return
		}
		if _, err := fmt.Fprint(c, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
			c.Close()
			return
		}
		select {
		case conns <- tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}):
		case <-time.After(10 * time.Second):
			c.Close()
		}
	}
}

// tunnel is a listener of connections that came another way.
type tunnel struct {
	conns  <-chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *tunnel) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, errors.New("closed")
	}
}

func (l *tunnel) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *tunnel) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// aroundVault sets the environment of a Vault that is started now so that it
// takes this for the internet.
func (n *internet) aroundVault(t *testing.T) {
	t.Helper()
	// This process keeps its own view, which it takes at the first look.
	_, _ = http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: "https", Host: "host.test"}})
	ca := write(t, t.TempDir(), "internet.pem", certPEM(n.root))
	for name, value := range map[string]string{
		"HTTP_PROXY": n.proxy.String(), "HTTPS_PROXY": n.proxy.String(), "NO_PROXY": "127.0.0.1",
		"http_proxy": "", "https_proxy": "", "no_proxy": "", "SSL_CERT_FILE": ca,
	} {
		t.Setenv(name, value)
	}
}

// transport reaches the internet.
func (n *internet) transport() http.RoundTripper {
	roots := x509.NewCertPool()
	roots.AddCert(n.root)
	return &http.Transport{
		Proxy: http.ProxyURL(n.proxy), DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}
}

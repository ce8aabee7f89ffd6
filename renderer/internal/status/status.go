// Package status is the HTTP side of the program. Listen answers where Vault
// Agent's listeners do (metrics, an end on request) and proxies nothing. Serve
// says how the program is, and takes the request to look at all leases now;
// Client asks it.
package status

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Options are a listener block.
type Options struct {
	Type                 string // tcp, or unix: then the address is a path
	Address              string // go-sockaddr templates are executed
	Role                 string // metrics_only serves the metrics and nothing else
	RequireRequestHeader bool   // X-Vault-Request: true
	EnableQuit           bool   // agent_api.enable_quit
	TLS                  TLS

	// SocketMode, SocketUser and SocketGroup count when all three are set.
	SocketMode, SocketUser, SocketGroup string

	Log *slog.Logger // nil = nobody is told of broken connections
}

// Handlers are what a listener offers.
type Handlers struct {
	Metrics http.Handler // nil = no metrics
	// Quit ends the program. It must return at once: the answer to whoever asked
	// is sent after it.
	Quit func()
}

const metricsOnly = "metrics_only"

// The times are Vault Agent's, which has no keys for them.
const (
	headerTime = 10 * time.Second
	readTime   = 30 * time.Second
	idleTime   = 5 * time.Minute
	// grace is how long a request that is being answered may hold up the end.
	grace = 2 * time.Second
)

// Server is a listener that has its address.
type Server struct {
	o           Options
	name        string // for errors
	listener    net.Listener
	http        *http.Server
	certificate *atomic.Pointer[tls.Certificate] // nil = no TLS
	ended       func()                           // when no request is answered any more
}

// Listen takes the address. Connections are answered once Run runs, and wait
// until then.
func Listen(o Options, h Handlers) (*Server, error) {
	s := &Server{o: o, name: "listener " + o.Type + " " + o.Address, ended: func() {}}
	if err := s.listen(h); err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return s, nil
}

func (s *Server) listen(h Handlers) (err error) {
	s.http = answering(handler(s.o, h), s.o.Log)
	var secure *tls.Config
	if !s.o.TLS.Disable {
		s.certificate = &atomic.Pointer[tls.Certificate]{}
		if secure, err = s.o.TLS.config(s.certificate); err != nil {
			return err
		}
	}
	switch s.o.Type {
	case "unix":
		s.listener, err = listenUnix(s.o)
	case "tcp":
		s.listener, err = listenTCP(s.o.Address)
	default:
		err = errors.New("no such type; there are tcp and unix")
	}
	if err == nil && secure != nil {
		s.listener = tls.NewListener(s.listener, secure)
	}
	return err
}

// answering is a server without an address.
func answering(h http.Handler, log *slog.Logger) *http.Server {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       readTime,
		IdleTimeout:       idleTime,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// Run answers requests until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("%s: %w", s.name, errors.Join(err, s.Close()))
	case <-ctx.Done():
	}
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if s.http.Shutdown(bound) != nil {
		_ = s.http.Close() // who is still reading had time enough
	}
	<-served
	return s.Close()
}

// Close gives the address back. Run does it at its end; it is for a program
// that does not get as far as Run.
func (s *Server) Close() error {
	s.ended()
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Addr is the address that was taken: the port is known even if 0 was asked for.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// URL is the address as people know it: http://127.0.0.1:8200, unix:///run/x.sock.
func (s *Server) URL() string {
	switch {
	case s.o.Type == "unix":
		return "unix://" + s.Addr().String()
	case s.certificate != nil:
		return "https://" + s.Addr().String()
	}
	return "http://" + s.Addr().String()
}

// ReloadCertificates reads tls_cert_file and tls_key_file again, for connections
// from now on. The present ones stay when that fails.
func (s *Server) ReloadCertificates() error {
	if s.certificate == nil {
		return nil
	}
	c, err := s.o.TLS.load()
	if err != nil {
		return fmt.Errorf("%s: the certificate in use stays: %w", s.name, err)
	}
	s.certificate.Store(c)
	return nil
}

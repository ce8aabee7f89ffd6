// Package devvault is a small Vault in memory, as an http.Handler: for tests in
// fake time (testing/synctest) and for a demo without the real server.
//
// It answers the part of the API that applications use with the real server's
// status codes, JSON and error texts: tokens, AppRole, response wrapping, KV 1
// and 2, cubbyhole, the database and PKI engines, leases, policies, seal and
// unseal. The suite in package conformance runs against it and against the real
// server.
//
// It does not persist, encrypt, replicate or audit anything, has no entities,
// namespaces or plugins, and must never hold a real secret.
package devvault

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// Options of a Server; the zero value works.
type Options struct {
	// Database creates and drops the accounts of database/creds. Nil: a new
	// Memory, which only remembers them.
	Database Database
	// Rand feeds all identifiers and passwords. Nil: crypto/rand.
	Rand io.Reader
	// RootToken instead of a random one.
	RootToken string
	// DefaultTTL and MaxTTL of tokens and leases: 168 h and 720 h when zero.
	DefaultTTL, MaxTTL time.Duration
}

// Server is an unsealed Vault. Time is package time's, so in a synctest bubble
// it lives in fake time.
type Server struct {
	o Options

	mu       sync.Mutex // guards everything below; never held over a Database call
	closed   bool
	sealed   bool
	key      string
	cluster  string
	root     *token
	tokens   map[string]*token // by id
	leases   map[string]*lease // by id
	mounts   map[string]*mount // by path with trailing slash; auth mounts begin with "auth/"
	policies map[string]*policy
	audits   map[string]map[string]any
	base     context.Context // of work that no request waits for
	cancel   context.CancelFunc

	logMu    sync.Mutex
	requests []string
	fault    func(*http.Request) Fault
}

// New returns a running, unsealed server with the mounts of a fresh Vault
// (sys/, cubbyhole/, auth/token/). Close it.
func New(o Options) *Server {
	if o.Database == nil {
		o.Database = &Memory{}
	}
	if o.DefaultTTL == 0 {
		o.DefaultTTL = 168 * time.Hour
	}
	if o.MaxTTL == 0 {
		o.MaxTTL = 720 * time.Hour
	}
	s := &Server{
		o:        o,
		tokens:   map[string]*token{},
		leases:   map[string]*lease{},
		mounts:   map[string]*mount{},
		policies: map[string]*policy{},
		audits:   map[string]map[string]any{},
	}
	s.base, s.cancel = context.WithCancel(context.Background())
	s.key, s.cluster = s.base64ID(32), s.uuid()
	s.addBuiltins()
	id := o.RootToken
	if id == "" {
		id = s.tokenID()
	}
	s.root = &token{
		id: id, accessor: s.randomString(24), path: "auth/token/root", displayName: "root",
		policies: []string{"root"}, orphan: true, kind: serviceToken, created: time.Now(),
		children: map[*token]struct{}{}, leases: map[string]*lease{}, cubbyhole: map[string]map[string]any{},
	}
	s.tokens[id] = s.root
	return s
}

// RootToken may do everything and never expires.
func (s *Server) RootToken() string { return s.root.id }

// UnsealKey is the only key; PUT sys/unseal wants it.
func (s *Server) UnsealKey() string { return s.key }

// Close stops all timers. It revokes nothing; requests after it still work,
// but nothing expires any more.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.cancel()
	s.stopTimers()
}

// Requests returns what was asked since the start or ResetRequests, one
// "METHOD /v1/path" per request, oldest first.
func (s *Server) Requests() []string {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	return append([]string(nil), s.requests...)
}

// ResetRequests empties the list of Requests.
func (s *Server) ResetRequests() {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	s.requests = nil
}

func (s *Server) noteRequest(r *http.Request) func(*http.Request) Fault {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	s.requests = append(s.requests, r.Method+" "+r.URL.Path)
	return s.fault
}

// Package faultproxy stands between a program and an HTTP server and lets the
// server look broken: slow, refusing, or cut off in the middle of an answer.
// It counts what passes, so that a test can say what was asked for.
//
// It does not know what it carries, and does not speak TLS.
package faultproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Fault is what happens to requests. The zero value changes nothing.
type Fault struct {
	Match func(*http.Request) bool // which requests; nil = all
	Times int                      // how many of them; 0 = until the next Set

	Delay      time.Duration // before the request is passed on
	Status     int           // answered in place of the server; 0 = it answers itself
	RetryAfter time.Duration // header of such an answer, in whole seconds; 0 = none
	Error      string        // in the body of such an answer, as Vault has errors
	Cut        bool          // the server's answer ends in the middle of its body
}

// Record is one request that came.
type Record struct {
	At     time.Time
	Method string
	Path   string
	Hit    bool // the fault happened to it
}

// Proxy is a running proxy. Its methods may be called at any time.
type Proxy struct {
	addr   string
	server *http.Server
	back   *httputil.ReverseProxy

	mu      sync.Mutex
	fault   Fault
	hits    int
	records []Record
}

// Start listens on a free port of this host and passes everything on to target,
// an http:// URL.
func Start(target string) (*Proxy, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("fault proxy: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("fault proxy: %w", err)
	}
	p := &Proxy{addr: "http://" + l.Addr().String(), back: &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(u) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { hangUp(w) },
	}}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	go func() { _ = p.server.Serve(l) }() // its end is Close
	return p, nil
}

// Addr is the proxy's URL.
func (p *Proxy) Addr() string { return p.addr }

// Close ends the proxy and all of its connections.
func (p *Proxy) Close() error { return p.server.Close() }

// Set lets a fault begin, in place of the one before.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.hits = f, 0
}

// Mend ends the fault.
func (p *Proxy) Mend() { p.Set(Fault{}) }

// Hits is how many requests the present fault happened to.
func (p *Proxy) Hits() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hits
}

// Records are the requests that came since a moment; zero = all.
func (p *Proxy) Records(since time.Time) []Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.records, func(r Record) bool { return !r.At.Before(since) })
	if i < 0 {
		return nil
	}
	return slices.Clone(p.records[i:])
}

// take notes a request and gives the fault that happens to it.
func (p *Proxy) take(r *http.Request) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.fault
	hit := f.acts() && (f.Times == 0 || p.hits < f.Times) && (f.Match == nil || f.Match(r))
	if hit {
		p.hits++
	} else {
		f = Fault{}
	}
	p.records = append(p.records, Record{time.Now(), r.Method, r.URL.Path, hit})
	return f
}

func (f *Fault) acts() bool { return f.Delay > 0 || f.Status != 0 || f.Cut }

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := p.take(r)
	if f.Delay > 0 && wait(r.Context(), f.Delay) != nil {
		return // the client has given up
	}
	switch {
	case f.Status != 0:
		refuse(w, f)
	case f.Cut:
		p.cut(w, r)
	default:
		p.back.ServeHTTP(w, r)
	}
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func refuse(w http.ResponseWriter, f Fault) {
	w.Header().Set("Content-Type", "application/json")
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds())))
	}
	w.WriteHeader(f.Status)
	fmt.Fprintf(w, `{"errors":[%q]}`, f.Error)
}

// cut lets the server do the work and loses half of its answer.
func (p *Proxy) cut(w http.ResponseWriter, r *http.Request) {
	whole := httptest.NewRecorder()
	p.back.ServeHTTP(whole, r)
	body := whole.Body.Bytes()
	if len(body) < 2 { // nothing to cut: the answer is lost
		hangUp(w)
		return
	}
	w.Header().Set("Content-Type", whole.Header().Get("Content-Type"))
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(whole.Code)
	_, _ = w.Write(body[:len(body)/2])
	if err := http.NewResponseController(w).Flush(); err == nil {
		hangUp(w)
	}
}

// hangUp closes the connection without another word.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if errors.Is(err, http.ErrNotSupported) {
		return // a recorder: its caller hangs up
	}
	if err == nil {
		conn.Close()
	}
}

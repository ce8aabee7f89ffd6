package devvault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// ErrConnection is what a client of Transport gets for an injected fault
// without status.
var ErrConnection = errors.New("connection reset by devvault")

// Transport returns a RoundTripper that calls the server in the caller's own
// goroutine, without sockets: it works inside a synctest bubble. Any host name
// does.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ s *Server }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if err := context.Cause(ctx); err != nil {
		closeBody(r)
		return nil, err
	}
	in := r.Clone(ctx)
	if in.Body == nil {
		in.Body = http.NoBody
	}
	in.RequestURI, in.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:0"
	w := &recorder{header: http.Header{}}
	defer closeBody(r)
	broken := t.serve(w, in)
	// The caller gave up while the server worked: it never sees the answer.
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if broken && w.status == 0 {
		return nil, ErrConnection
	}
	return w.response(r, broken), nil
}

// serve says whether the connection broke.
func (t transport) serve(w http.ResponseWriter, r *http.Request) (broken bool) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			broken = true
		default:
			panic(p)
		}
	}()
	t.s.ServeHTTP(w, r)
	return false
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// recorder is an http.ResponseWriter that keeps the answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// response is the answer, or with broken the part of it that arrived.
func (w *recorder) response(r *http.Request, broken bool) *http.Response {
	w.WriteHeader(http.StatusOK)
	body := w.body.Bytes()
	if r.Method == http.MethodHead {
		body = nil
	}
	length := int64(len(body))
	rd := io.Reader(bytes.NewReader(body))
	if broken {
		length, _ = strconv.ParseInt(w.header.Get("Content-Length"), 10, 64)
		rd = io.MultiReader(rd, brokenOff{})
	} else {
		w.header.Set("Content-Length", strconv.FormatInt(length, 10))
	}
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)),
		StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(rd),
		ContentLength: length, Request: r,
	}
}

// brokenOff is what net/http gives at the end of an answer that was cut off.
type brokenOff struct{}

func (brokenOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// ServeTCP serves on a free loopback port. addr is a URL; stop closes the
// listener and all connections and waits until the server ended. So does the
// end of ctx, without waiting.
func (s *Server) ServeTCP(ctx context.Context) (addr string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("devvault: %w", err)
	}
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = srv.Serve(l) // ends by Close only
	}()
	unhook := context.AfterFunc(ctx, func() { _ = srv.Close() })
	return "http://" + l.Addr().String(), func() {
		unhook()
		_ = srv.Close()
		<-ended
	}, nil
}

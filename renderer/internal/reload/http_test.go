package reload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// serve answers with h until the test ends.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// serveUnix answers with h on a socket until the test ends.
func serveUnix(t *testing.T, h http.HandlerFunc) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "r") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return socket
}

// babble accepts connections and sends the same to everybody, without reading.
func babble(t *testing.T, text string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, text)
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

func TestHTTPTells(t *testing.T) {
	var got string
	h := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		user, _, _ := r.BasicAuth()
		got = fmt.Sprintf("%s %s %s %d %s", r.Method, r.URL, r.Host, len(body), user)
		w.WriteHeader(http.StatusAccepted)
	}
	tcp, socket := serve(t, h), serveUnix(t, h)
	host := strings.TrimPrefix(tcp, "http://")
	for _, c := range []struct{ method, url, want, name string }{
		{"", tcp + "/-/reload", "POST /-/reload " + host + " 0 ", "POST " + tcp + "/-/reload"},
		{"PUT", tcp + "?a=1&b", "PUT /?a=1&b " + host + " 0 ", "PUT " + tcp + "?a=..."},
		{"", "http://u:p@" + host + "/x", "POST /x " + host + " 0 u", "POST " + tcp + "/x"},
		{"", "unix://" + socket + ":/-/reload?k=v", "POST /-/reload?k=v localhost 0 ", "POST unix://" + socket + ":/-/reload?k=..."},
		{"", "unix://" + socket, "POST / localhost 0 ", "POST unix://" + socket + ":/"},
	} {
		got = ""
		hook := &HTTP{Method: c.method, URL: c.url}
		if err := hook.Run(t.Context()); err != nil || got != c.want {
			t.Errorf("%s: %v, request %q, want %q", c.url, err, got, c.want)
		}
		if hook.String() != c.name {
			t.Errorf("its name is %q, want %q", hook, c.name)
		}
	}
}

// An error names the address and the answer, without what may be secret.
func TestHTTPErrors(t *testing.T) {
	var followed atomic.Bool
	tcp := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/there?"+canary, http.StatusFound)
		case "/there":
			followed.Store(true)
		case "/status":
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "bad\n  pw="+canary+"\n")
		case "/cut":
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "first\n"+strings.Repeat("x", maxKept-6-10)+canary)
		case "/slow":
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "first\nsecond")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		case "/silent":
			<-r.Context().Done()
		}
	})
	tls := httptest.NewUnstartedServer(http.NotFoundHandler())
	tls.Config.ErrorLog = log.New(io.Discard, "", 0)
	tls.StartTLS()
	defer tls.Close()
	closed := babble(t, "")
	secret := "?pw=" + canary + "#" + canary
	for _, c := range []struct{ url, want string }{
		{tcp + "/redirect", "answered 302 Found (redirects are not followed)"},
		{tcp + "/status", "/status?pw=...: it answered 503 Service Unavailable: bad pw=***"},
		{tcp + "/cut", "answered 500 Internal Server Error: first"},
		{tcp + "/slow", "answered 502 Bad Gateway: first"},
		{tcp + "/silent", "no answer within 500ms"},
		{"http://" + closed, "the connection was closed without an answer"},
		{"http://" + babble(t, canary+"\r\n\r\n"), "the answer can't be understood as HTTP"},
		{"http://" + babble(t, "HTTP/1.1 "+canary+" OK\r\n\r\n"), "the answer can't be understood as HTTP"},
		{"http://" + babble(t, "HTTP/1.1 500 "+canary+"\r\n\r\n"), "it answered 500 Internal Server Error"},
		{"http://" + babble(t, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat(canary, 20000)), "the answer can't be understood as HTTP"},
		{"https" + strings.TrimPrefix(tcp, "http"), "the server does not speak TLS: http:// instead of https://?"},
		{tls.URL, "certificate signed by unknown authority"},
		{"unix:///no/such.sock:/x", "dial unix /no/such.sock: connect: no such file or directory"},
		{"http://" + babble(t, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 x\r\n\r\n"), "it answered 404 Not Found"},
		{"http://" + babble(t, "HTTP/1.1 101 x\r\n\r\n"), "it answered 101 Switching Protocols"},
		{"http://" + babble(t, "HTTP/1.1 500 x\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b"+canary), "it answered 500 Internal Server Error: "},
		{"http://127.0.0.1:1/x", "connection refused"},
		{"ftp://x/", "it has to be http://"},
		{"http://u:" + canary + "^[", "it is not a URL"},
	} {
		hook := &HTTP{URL: c.url + secret, Mask: hide}
		if strings.HasSuffix(c.url, "/slow") || strings.HasSuffix(c.url, "/silent") {
			hook.Timeout = 500 * time.Millisecond
		}
		err := hook.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") || len(err.Error()) > 600 {
			t.Errorf("%s: %v, want %q", c.url, err, c.want)
		}
		hook.Mask = nil
		if err := hook.Run(t.Context()); err == nil || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "first") {
			t.Errorf("without a mask: %v", err)
		}
		if strings.Contains(hook.String(), "canary") {
			t.Errorf("its name is %q", hook)
		}
	}
	if followed.Load() {
		t.Error("a redirect was followed")
	}
}

// An answer without end is neither waited for nor kept, and nothing of a
// request is left.
func TestHTTPLeavesNothing(t *testing.T) {
	endless := serve(t, func(w http.ResponseWriter, r *http.Request) {
		line := strings.Repeat("x", 1000)
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, line)
		}
	})
	kept := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	before := runtime.NumGoroutine()
	start := time.Now()
	for range 10 {
		for _, url := range []string{endless, kept} {
			if err := (&HTTP{URL: url}).Run(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %s", d)
	}
	eventually(t, "the end of all goroutines", func() bool { return runtime.NumGoroutine() <= before })
}

func TestHTTPStops(t *testing.T) {
	why := errors.New("something newer is there")
	ctx, cancel := context.WithCancelCause(t.Context())
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel(why)
		<-r.Context().Done()
	})
	if err := (&HTTP{URL: url}).Run(ctx); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
}

// late is a context whose end is noticed a little after its deadline.
type late struct{ context.Context }

func (late) Deadline() (time.Time, bool) { return time.Now(), true }

// A dialer that was quicker than the context does not hide whose limit it was.
func TestFailureAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			time.Sleep(time.Millisecond)
			cancel(errTimeout)
		}()
		err := failure(late{ctx}, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}, time.Second)
		if err.Error() != "no answer within 1s" {
			t.Error(err)
		}
	})
}

func TestCheckURL(t *testing.T) {
	for _, good := range []string{
		"http://h", "https://h:1/p?q", "unix:///run/a.sock:/p", "unix:///run/a.sock", "unix:///run/a.sock:", "http://[::1]:80/",
		"unix:///run/a:b.sock:/p?u=http://x",
	} {
		if err := CheckURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "h", "/p", "ftp://h/", "unix://run/a.sock:/p", "unix://", "http://", "http://:80/", "http://" + canary + ":x/", "http://h/%z" + canary, "unix:///a:/%z" + canary,
	} {
		if err := CheckURL(bad); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

package status

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// run serves until the test ends, or until cancel.
func run(t *testing.T, o Options, h Handlers) (s *Server, cancel func() error) {
	t.Helper()
	s, err := Listen(o, h)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var ended bool
	cancel = func() error {
		stop()
		if ended {
			return nil
		}
		ended = true
		select {
		case err := <-done:
			return err
		case <-time.After(2 * grace):
			t.Fatal("the end takes too long")
			return nil
		}
	}
	t.Cleanup(func() {
		if err := cancel(); err != nil {
			t.Error(err)
		}
	})
	return s, cancel
}

func plain(o Options) Options {
	o.TLS.Disable = true
	if o.Type == "" {
		o.Type, o.Address = "tcp", "127.0.0.1:0"
	}
	return o
}

// client dials the server whatever the URL says.
func client(t *testing.T, s *Server) *http.Client {
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, s.Addr().Network(), s.Addr().String())
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second}
}

type answer struct {
	code       int
	kind, body string
}

func ask(t *testing.T, c *http.Client, method, url string, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	if len(header) > 0 {
		r.Header.Set(header[0], header[1])
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header.Get("Content-Type"), string(b)}
}

func metricsHandler(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "x/metrics")
		_, _ = io.WriteString(w, text)
	})
}

func TestEndpoints(t *testing.T) {
	const js, text = "application/json", "text/plain; charset=utf-8"
	missing := answer{412, js, `{"errors":["missing \"X-Vault-Request\" header"]}` + "\n"}
	unknown := answer{404, js, `{"errors":["nothing here: requests are not passed on to Vault"]}` + "\n"}
	notFound := answer{404, text, "404 page not found\n"}
	shown := answer{200, "x/metrics", "m"}
	for _, c := range []struct {
		name         string
		o            Options
		method, path string
		header       string
		want         answer
	}{
		{"metrics", Options{}, "GET", metricsPath, "", shown},
		{"metrics only", Options{Role: metricsOnly}, "GET", metricsPath, "", shown},
		{"metrics need no header", Options{RequireRequestHeader: true}, "GET", metricsPath, "", shown},
		{"unknown", Options{}, "GET", "/v1/sys/health", "", unknown},
		{"root", Options{Role: "default"}, "GET", "/", "", unknown},
		{"header missing", Options{RequireRequestHeader: true}, "GET", "/v1/x", "", missing},
		{"header wrong", Options{RequireRequestHeader: true}, "GET", "/v1/x", "TRUE", missing},
		{"header", Options{RequireRequestHeader: true}, "GET", "/v1/x", "true", unknown},
		{"header, metrics only", Options{RequireRequestHeader: true, Role: metricsOnly}, "GET", "/v1/x", "", notFound},
		{"unknown, metrics only", Options{Role: metricsOnly}, "GET", "/", "", notFound},
		{"quit off", Options{}, "POST", quitPath, "", answer{404, "", ""}},
		{"quit, metrics only", Options{EnableQuit: true, Role: metricsOnly}, "POST", quitPath, "", notFound},
		{"quit by GET", Options{EnableQuit: true}, "GET", quitPath, "", answer{405, "", ""}},
		{"quit by PUT", Options{EnableQuit: true}, "PUT", quitPath, "", answer{405, "", ""}},
		{"clear", Options{}, "POST", clearPath, "", answer{200, "", ""}},
		{"clear by PUT", Options{RequireRequestHeader: true}, "PUT", clearPath, "", answer{200, "", ""}},
		{"clear, metrics only", Options{Role: metricsOnly}, "POST", clearPath, "", notFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := run(t, plain(c.o), Handlers{Metrics: metricsHandler("m"), Quit: func() { t.Error("quit") }})
			if got := ask(t, client(t, s), c.method, s.URL()+c.path, "X-Vault-Request", c.header); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// TestQuit ends the program from within a request, which still is answered.
func TestQuit(t *testing.T) {
	ctx, quit := context.WithCancel(t.Context())
	s, err := Listen(plain(Options{EnableQuit: true, RequireRequestHeader: true}), Handlers{Quit: quit})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	if got := ask(t, client(t, s), "POST", s.URL()+quitPath); got != (answer{code: 200}) {
		t.Errorf("got %+v", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", s.Addr().String()); err == nil {
		_ = conn.Close()
		t.Error("still listening")
	}
}

// TestEndIsBounded has a handler that never answers and a connection that never
// asks.
func TestEndIsBounded(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(started); <-release })
	s, cancel := run(t, plain(Options{}), Handlers{Metrics: h})
	idle, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = idle.Close() }()
	gone := make(chan error, 1)
	go func() {
		resp, err := client(t, s).Get(s.URL() + metricsPath)
		if err == nil {
			_ = resp.Body.Close()
		}
		gone <- err
	}()
	<-started
	if err := cancel(); err != nil {
		t.Error(err)
	}
	if err := <-gone; err == nil {
		t.Error("who got an answer?")
	}
}

func TestAddressInUse(t *testing.T) {
	s, _ := run(t, plain(Options{}), Handlers{})
	_, err := Listen(plain(Options{Type: "tcp", Address: s.Addr().String()}), Handlers{})
	if err == nil || !strings.Contains(err.Error(), "listener tcp "+s.Addr().String()) || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}

func TestAddress(t *testing.T) {
	for address, want := range map[string]string{
		`{{ "127.0.0.1" }}:0`: "http://127.0.0.1:",
		"localhost:0":         "http://127.0.0.1:",
	} {
		s, err := Listen(plain(Options{Type: "tcp", Address: address}), Handlers{})
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if !strings.HasPrefix(s.URL(), want) {
			t.Errorf("%s: %s", address, s.URL())
		}
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	}
	for address, want := range map[string]string{
		"{{ nosuch }}:0":        "unable to parse template",
		"{{ if }}":              "unable to parse template",
		`{{ "127.0.0.1:0 b" }}`: "has to be one",
		`{{ "" }}`:              "has to be one",
		"127.0.0.1":             "missing port",
	} {
		if _, err := Listen(plain(Options{Type: "tcp", Address: address}), Handlers{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := Listen(plain(Options{Type: "carrier", Address: "pigeon"}), Handlers{}); err == nil {
		t.Error("an unknown type was accepted")
	}
}

func TestUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close() // as if killed
	o := plain(Options{Type: "unix", Address: path})
	s, cancel := run(t, o, Handlers{Metrics: metricsHandler("m")})
	if s.URL() != "unix://"+path {
		t.Error(s.URL())
	}
	if got := ask(t, client(t, s), "GET", "http://x"+metricsPath); got.body != "m" {
		t.Errorf("got %+v", got)
	}
	if _, err := Listen(o, Handlers{}); err == nil || !strings.Contains(err.Error(), "another program listens there") {
		t.Errorf("in use: %v", err)
	}
	if got := ask(t, client(t, s), "GET", "http://x"+metricsPath); got.body != "m" {
		t.Errorf("after the refusal: %+v", got)
	}
	if err := cancel(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(o, Handlers{}); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("a file in the way: %v", err)
	}
}

func TestUnixOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	mode := func(o Options) (os.FileMode, error) {
		o.Type, o.Address = "unix", path
		s, err := Listen(plain(o), Handlers{})
		if err != nil {
			return 0, err
		}
		defer func() { _ = s.Close() }()
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm(), nil
	}
	me, us := itoa(os.Getuid()), itoa(os.Getgid())
	unset, err := mode(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    Options
		want os.FileMode
		err  string
	}{
		{Options{SocketMode: "602", SocketUser: me, SocketGroup: us}, 0o602, ""},
		{Options{SocketMode: "0600", SocketUser: me, SocketGroup: us}, 0o600, ""},
		{Options{SocketMode: "602", SocketUser: me}, unset, ""},
		{Options{SocketMode: "602"}, unset, ""},
		{Options{SocketMode: "rw", SocketUser: me, SocketGroup: us}, 0, "socket_mode"},
		{Options{SocketMode: "7777", SocketUser: me, SocketGroup: us}, 0, "socket_mode"},
		{Options{SocketMode: "600", SocketUser: "no such user", SocketGroup: us}, 0, "socket_user"},
		{Options{SocketMode: "600", SocketUser: me, SocketGroup: "no such group"}, 0, "socket_group"},
	} {
		got, err := mode(c.o)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%+v: %v %v", c.o, got, err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%+v: the socket stays", c.o)
		}
	}
	if _, err := mode(Options{SocketMode: "600", SocketUser: "root", SocketGroup: "root"}); os.Getuid() == 0 && err != nil {
		t.Errorf("by name: %v", err)
	}
}

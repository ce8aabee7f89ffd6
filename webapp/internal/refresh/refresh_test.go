package refresh

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/testbed/capture"
)

// renderer notes what it is told, and answers as set.
type renderer struct {
	mu   sync.Mutex
	code int
	told []string
	at   []time.Time
}

func (r *renderer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, req.Method+" "+req.URL.Path+" "+string(body))
	r.at = append(r.at, time.Now())
	w.WriteHeader(r.code)
}

func (r *renderer) set(code int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.code = code
}

func (r *renderer) all() ([]string, []time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.told), slices.Clone(r.at)
}

// RoundTrip makes a renderer a network, for fake time.
func (r *renderer) RoundTrip(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	if w.Code == 0 {
		return nil, fmt.Errorf("connection refused")
	}
	return w.Result(), nil
}

// running runs a Reporter against a renderer in fake time.
func running(t *testing.T, test func(*Reporter, *renderer, *capture.Buffer)) {
	synctest.Test(t, func(t *testing.T) {
		log := new(capture.Buffer)
		to := &renderer{code: 202}
		r, err := New("http://127.0.0.1:1", slog.New(slog.NewTextHandler(log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		r.http.Transport = to
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		test(r, to, log)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestOnceASecond: a crowd of refused requests is one request to the renderer,
// and nobody waits for it.
func TestOnceASecond(t *testing.T) {
	running(t, func(r *Reporter, to *renderer, _ *capture.Buffer) {
		for range 50 { // five seconds
			r.Report("error 1045")
			time.Sleep(every / 10)
		}
		time.Sleep(time.Minute)
		told, at := to.all()
		if len(told) < 5 || len(told) > 6 || told[0] != `POST /-/refresh {"reason":"error 1045"}` {
			t.Errorf("%d: %q", len(told), told)
		}
		for i := 1; i < len(at); i++ {
			if at[i].Sub(at[i-1]) < every {
				t.Errorf("only %s apart", at[i].Sub(at[i-1]))
			}
		}
	})
}

// TestErrorsOnChange: a renderer that is away is logged once.
func TestErrorsOnChange(t *testing.T) {
	running(t, func(r *Reporter, to *renderer, log *capture.Buffer) {
		for _, code := range []int{500, 500, 500, 404, 202} {
			to.set(code)
			r.Report("x")
			time.Sleep(2 * every)
		}
		if text := log.String(); strings.Count(text, "level=WARN") != 2 || strings.Count(text, "level=INFO") != 1 {
			t.Errorf("%s", text)
		}
	})
}

func TestSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	to := &renderer{code: 202}
	srv := &http.Server{Handler: to}
	go func() { _ = srv.Serve(l) }()
	defer srv.Close()
	r, err := New("unix://"+socket, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.http.CloseIdleConnections()
	if err := r.send(t.Context(), "why"); err != nil {
		t.Error(err)
	}
	if told, _ := to.all(); len(told) != 1 || told[0] != `POST /-/refresh {"reason":"why"}` {
		t.Errorf("%q", told)
	}
	r.http.CloseIdleConnections()
	_ = srv.Close()
	if err := r.send(t.Context(), "why"); err == nil || strings.Contains(err.Error(), "http://") {
		t.Error(err)
	}
}

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"http://127.0.0.1:9":            "http://127.0.0.1:9/-/refresh",
		"http://127.0.0.1:9/":           "http://127.0.0.1:9/-/refresh",
		"http://127.0.0.1:9/-/refresh":  "http://127.0.0.1:9/-/refresh",
		"unix:///run/x/status.sock":     "http://renderer/-/refresh",
		"":                              "",
		"/run/x/status.sock":            "",
		"unix://run/x":                  "",
		"https://127.0.0.1:9":           "",
		"http://u:p@127.0.0.1:9":        "",
		"http://127.0.0.1:9/elsewhere":  "",
		"http://127.0.0.1:9:9:9/\x00\n": "",
	} {
		r, err := New(address, nil)
		if (err != nil) != (want == "") || err == nil && r.url != want {
			t.Errorf("%q: %v %v", address, r, err)
		}
	}
}

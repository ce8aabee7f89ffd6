package cloud_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/auth/cloud"
	"vault-renderer/renderer/internal/auth/cloud/cloudtest"
)

// answers is a network.
type answers func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f answers) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func request(ctx context.Context, t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSend: the answer comes as it is, redirects included; a redirect's target
// would get the headers.
func TestSend(t *testing.T) {
	var asked []string
	url := cloudtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path+" "+fmt.Sprint(r.Close))
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusFound)
		_, _ = io.WriteString(w, strings.Repeat("x", 2<<20))
	}))
	for _, to := range []cloud.Reach{cloud.Local, cloud.Public} {
		asked = nil
		a, err := cloud.Send(request(t.Context(), t, url+"/here"), to, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a.Status != http.StatusFound || a.Header.Get("Location") != "/elsewhere" || len(a.Body) != 1<<20 {
			t.Errorf("status %d, %v, %d bytes", a.Status, a.Header, len(a.Body))
		}
		if got := fmt.Sprint(asked); got != "[/here true]" {
			t.Errorf("asked %s", got)
		}
	}
}

// TestProxy: only what leads out of the machine's link may go through one.
func TestProxy(t *testing.T) {
	for to, want := range map[cloud.Reach]bool{cloud.Local: false, cloud.Public: true} {
		if got := cloud.Client(to, nil).Transport.(*http.Transport).Proxy != nil; got != want {
			t.Errorf("reach %d: a proxy may be used: %v", to, got)
		}
	}
}

func TestSendErrors(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	broken := cloudtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "short")
	}))
	plain := strings.Replace(broken, "http:", "https:", 1)
	for name, c := range map[string]struct {
		ctx       context.Context
		url, want string
	}{
		"nobody there": {t.Context(), "http://127.0.0.1:1/?canary", "connection refused"},
		"canceled":     {gone, broken + "/?canary", "context canceled"},
		"cut short":    {t.Context(), broken + "/?canary", "the answer broke off: unexpected EOF"},
		"no TLS":       {t.Context(), plain + "/?canary", "server gave HTTP response to HTTPS client"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := cloud.Send(request(c.ctx, t, c.url), cloud.Public, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// TestSendEnds: a service that is silent does not hold a login up.
func TestSendEnds(t *testing.T) {
	for to, want := range map[cloud.Reach]time.Duration{cloud.Local: 5 * time.Second, cloud.Public: 30 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			silent := answers(func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			})
			start := time.Now()
			_, err := cloud.Send(request(t.Context(), t, "http://service.test/?canary"), to, silent)
			if err == nil || err.Error() != "no answer in time" || time.Since(start) != want {
				t.Errorf("%v after %v, want %v", err, time.Since(start), want)
			}
		})
	}
}

func TestCause(t *testing.T) {
	inner := errors.New("inner")
	for want, err := range map[string]error{
		"inner":             inner,
		"context canceled":  fmt.Errorf("over: %w", context.Canceled),
		"no answer in time": &net.DNSError{IsTimeout: true, Name: "service.test"},
	} {
		if got := cloud.Cause(err).Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	_, err := (&http.Client{Transport: answers(func(*http.Request) (*http.Response, error) { return nil, inner })}).Do(request(t.Context(), t, "http://service.test"))
	if got := cloud.Cause(fmt.Errorf("library: %w", err)); got != inner {
		t.Errorf("got %v", got)
	}
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.1.2.3": true, "::1": true,
		"": false, "192.0.2.1": false, "localhost.test": false, "169.254.169.254": false,
	} {
		if got := cloud.IsLoopback(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

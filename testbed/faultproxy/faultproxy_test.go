package faultproxy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vault-renderer/testbed/faultproxy"
)

const answer = "a whole answer"

func start(t *testing.T) *faultproxy.Proxy {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
	t.Cleanup(server.Close)
	p, err := faultproxy.Start(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func get(t *testing.T, url string) (code int, body, retry string, err error) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		return 0, "", "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), resp.Header.Get("Retry-After"), err
}

func TestPassesOnAndCounts(t *testing.T) {
	p := start(t)
	began := time.Now()
	for range 3 {
		if code, body, _, err := get(t, p.Addr()+"/v1/x"); err != nil || code != 200 || body != answer {
			t.Fatalf("%d %q %v", code, body, err)
		}
	}
	r := p.Records(began)
	if len(r) != 3 || r[0].Path != "/v1/x" || r[0].Method != "GET" || r[0].Hit {
		t.Errorf("%+v", r)
	}
	if left := p.Records(time.Now()); len(left) != 0 {
		t.Errorf("from the future: %+v", left)
	}
}

func TestRefuses(t *testing.T) {
	p := start(t)
	p.Set(faultproxy.Fault{
		Match:  func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/bad") },
		Times:  1,
		Status: 429, RetryAfter: 2 * time.Second, Error: "too many",
	})
	if code, _, _, err := get(t, p.Addr()+"/good"); err != nil || code != 200 {
		t.Errorf("another path: %d %v", code, err)
	}
	code, body, retry, err := get(t, p.Addr()+"/bad")
	if err != nil || code != 429 || retry != "2" || body != `{"errors":["too many"]}` {
		t.Errorf("%d %q %q %v", code, body, retry, err)
	}
	if code, _, _, err := get(t, p.Addr()+"/bad"); err != nil || code != 200 {
		t.Errorf("after the last time: %d %v", code, err)
	}
	if p.Hits() != 1 {
		t.Errorf("%d hits", p.Hits())
	}
}

func TestCuts(t *testing.T) {
	p := start(t)
	p.Set(faultproxy.Fault{Cut: true, Times: 1})
	if _, body, _, err := get(t, p.Addr()); err == nil || body != answer[:len(answer)/2] {
		t.Errorf("%q %v", body, err)
	}
	if _, body, _, err := get(t, p.Addr()); err != nil || body != answer {
		t.Errorf("afterwards: %q %v", body, err)
	}
}

func TestDelays(t *testing.T) {
	p := start(t)
	p.Set(faultproxy.Fault{Delay: 50 * time.Millisecond})
	began := time.Now()
	if _, body, _, err := get(t, p.Addr()); err != nil || body != answer {
		t.Errorf("%q %v", body, err)
	}
	if d := time.Since(began); d < 50*time.Millisecond {
		t.Errorf("after %s already", d)
	}
	p.Mend()
	if p.Hits() != 0 {
		t.Error("hits of a fault that is over")
	}
}

// A server that is away looks so through the proxy.
func TestServerAway(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	p, err := faultproxy.Start(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if code, _, _, err := get(t, p.Addr()); err == nil {
		t.Errorf("an answer: %d", code)
	}
}

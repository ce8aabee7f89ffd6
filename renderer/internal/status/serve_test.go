package status

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// asked is a Source that notes what is refreshed.
type asked struct {
	mu      sync.Mutex
	reasons []string
}

func (a *asked) Refresh(reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reasons = append(a.reasons, reason)
}

func (a *asked) all() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.reasons)
}

func reports(r Report) func(context.Context) (Report, error) {
	return func(context.Context) (Report, error) { return r, nil }
}

// post sends a body through the endpoints without a network.
func post(t *testing.T, h http.Handler, method, path, body string, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://status"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if len(header) > 0 {
		r.Header.Set(header[0], header[1])
	}
	w := &recorded{header: http.Header{}, code: 200}
	h.ServeHTTP(w, r)
	return answer{w.code, w.header.Get("Content-Type"), w.body.String()}
}

type recorded struct {
	header http.Header
	code   int
	body   strings.Builder
}

func (r *recorded) Header() http.Header         { return r.header }
func (r *recorded) WriteHeader(code int)        { r.code = code }
func (r *recorded) Write(b []byte) (int, error) { return r.body.Write(b) }

func TestStatusEndpoints(t *testing.T) {
	const text, js = "text/plain; charset=utf-8", "application/json"
	red := Report{Reasons: []string{"rollout \"db\": check failed", "Vault is away"}}
	green := Report{Ready: true, Version: "1"}
	broken := func(context.Context) (Report, error) { return Report{}, errors.New("the loop ended") }
	var a asked
	for _, c := range []struct {
		name         string
		report       func(context.Context) (Report, error)
		method, path string
		code         int
		kind, body   string
	}{
		{"healthy", reports(red), "GET", healthyPath, 200, text, "healthy\n"},
		{"unhealthy", broken, "GET", healthyPath, 503, text, "the loop ended\n"},
		{"ready", reports(green), "GET", readyPath, 200, text, "ready\n"},
		{"not ready", reports(red), "GET", readyPath, 503, text, "rollout \"db\": check failed\nVault is away\n"},
		{"not ready, nobody says why", reports(Report{}), "GET", readyPath, 503, text, "not ready\n"},
		{"ready unknown", broken, "GET", readyPath, 503, text, "the loop ended\n"},
		{"status unknown", broken, "GET", statusPath, 503, js, `{"errors":["the loop ended"]}` + "\n"},
		{"metrics", reports(red), "GET", countedPath, 200, "x/metrics", "m"},
		{"refresh by GET", reports(red), "GET", refreshPath, 405, text, "Method Not Allowed\n"},
		{"status by POST", reports(red), "POST", statusPath, 405, text, "Method Not Allowed\n"},
		{"elsewhere", reports(red), "GET", "/", 404, text, "404 page not found\n"},
	} {
		h := endpoints(Source{Report: c.report, Refresh: a.Refresh, Metrics: metricsHandler("m")}, &refresher{call: a.Refresh})
		if got := post(t, h, c.method, c.path, ""); got != (answer{c.code, c.kind, c.body}) {
			t.Errorf("%s: got %+v", c.name, got)
		}
	}
	if len(a.all()) != 0 {
		t.Errorf("refreshed: %q", a.all())
	}
	none := endpoints(Source{Report: reports(green)}, &refresher{})
	if got := post(t, none, "GET", countedPath, ""); got.code != 404 {
		t.Errorf("without metrics: %+v", got)
	}
	if got := post(t, none, "POST", refreshPath, ""); got.code != 202 {
		t.Errorf("refresh with nobody to tell: %+v", got)
	}
}

// TestStuckLoop: a loop that does not answer is not healthy, and says so in
// two seconds.
func TestStuckLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := func(ctx context.Context) (Report, error) { <-ctx.Done(); return Report{}, ctx.Err() }
		h := endpoints(Source{Report: stuck}, &refresher{})
		for _, path := range []string{healthyPath, readyPath, statusPath} {
			began := time.Now()
			got := post(t, h, "GET", path, "")
			if took := time.Since(began); got.code != 503 || !strings.Contains(got.body, "stuck") || took != answerTime {
				t.Errorf("%s: %+v after %s", path, got, took)
			}
		}
	})
}

func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a asked
		r := &refresher{call: a.Refresh}
		h := endpoints(Source{Report: reports(Report{}), Refresh: a.Refresh}, r)
		want := func(reasons ...string) {
			t.Helper()
			synctest.Wait()
			if got := a.all(); !slices.Equal(got, reasons) {
				t.Fatalf("got %q, want %q", got, reasons)
			}
		}
		say := func(body string) {
			t.Helper()
			if got := post(t, h, "POST", refreshPath, body); got.code != 202 {
				t.Fatalf("%+v", got)
			}
		}
		say(`{"reason": "error 1045\nfor \u001b[31muser"}`)
		want("error 1045 for [31muser")
		say(`{"reason": "second"}`)
		say("")
		say(`{"other": 1}`)
		want("error 1045 for [31muser")
		time.Sleep(refreshEvery)
		want("error 1045 for [31muser", "second (and 2 more)")
		time.Sleep(refreshEvery)
		say("")
		want("error 1045 for [31muser", "second (and 2 more)", "")
		say(`{"reason": "` + strings.Repeat("é", 300) + `"}`)
		time.Sleep(refreshEvery)
		synctest.Wait()
		if got := a.all()[3]; got != strings.Repeat("é", maxReason)+"..." {
			t.Errorf("a long reason: %q", got)
		}
		say(`{"reason": "too late"}`)
		r.stop()
		say("")
		time.Sleep(2 * refreshEvery)
		if len(a.all()) != 4 {
			t.Errorf("after the end: %q", a.all())
		}
	})
}

func TestRefreshRefused(t *testing.T) {
	var a asked
	h := endpoints(Source{Report: reports(Report{}), Refresh: a.Refresh}, &refresher{call: a.Refresh})
	for _, c := range []struct {
		body   string
		header []string
		code   int
	}{
		{"{", nil, 400},
		{`["reason"]`, nil, 400},
		{`{"reason": 1}`, nil, 400},
		{`{} {}`, nil, 400},
		{`{"reason": "` + strings.Repeat("x", maxAsk) + `"}`, nil, 413},
		{"", []string{"Sec-Fetch-Site", "cross-site"}, 403},
	} {
		if got := post(t, h, "POST", refreshPath, c.body, c.header...); got.code != c.code {
			t.Errorf("%.30q: %+v", c.body, got)
		}
	}
	if len(a.all()) != 0 {
		t.Errorf("refreshed: %q", a.all())
	}
}

// TestReportJSON pins the names that other programs read.
func TestReportJSON(t *testing.T) {
	raw, err := json.Marshal(Report{
		Token:    &TokenReport{},
		Secrets:  []SecretReport{{Lease: "l", Error: "e"}},
		Rollouts: []RolloutReport{{Error: "e", NextTry: &time.Time{}, Previous: 1}},
		Reasons:  []string{"r"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(`version pid started time ready reasons vault token secrets rollouts revoking
		session issued_at expires_at renewable limit secret lease next_action next_at since reason error
		name generation digest stage files next_try previous`) {
		if !strings.Contains(string(raw), `"`+name+`":`) {
			t.Errorf("no %s in %s", name, raw)
		}
	}
}

// serve runs a status server until the test ends.
func serve(t *testing.T, o ServeOptions, s Source) *Server {
	t.Helper()
	srv, err := Serve(o, s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return srv
}

func TestServeSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close() // as if killed
	o := ServeOptions{Address: unixScheme + path}
	want := Report{Version: "7", Ready: true, Vault: VaultAnswers, Secrets: []SecretReport{{Secret: "read a"}}}
	s := serve(t, o, Source{Report: reports(want)})
	if s.URL() != o.Address {
		t.Error(s.URL())
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	c, err := NewClient(o.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := c.Report(t.Context())
	if err != nil || got.Version != "7" || len(got.Secrets) != 1 || got.Secrets[0].Secret != "read a" {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := Serve(o, Source{}); err == nil || !strings.Contains(err.Error(), "another program listens there") {
		t.Errorf("in use: %v", err)
	}
	if _, err := c.Report(t.Context()); err != nil {
		t.Errorf("after the refusal: %v", err)
	}
}

// TestSocketMode: the mode and owners are those asked for, whatever the umask.
func TestSocketMode(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	for _, c := range []struct {
		o    ServeOptions
		want fs.FileMode
		err  string
	}{
		{ServeOptions{}, 0o600, ""},
		{ServeOptions{Mode: 0o660, Group: itoa(os.Getgid())}, 0o660, ""},
		{ServeOptions{Mode: 0o400, User: itoa(os.Getuid())}, 0o400, ""},
		{ServeOptions{User: "no such user"}, 0, "user:"},
		{ServeOptions{Group: "no such group"}, 0, "group:"},
	} {
		path := filepath.Join(t.TempDir(), "s")
		c.o.Address = unixScheme + path
		s, err := Serve(c.o, Source{})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%+v: %v", c.o, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != c.want {
			t.Errorf("%+v: %v %v", c.o, info.Mode(), err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestClientErrors(t *testing.T) {
	other, _ := run(t, plain(Options{}), Handlers{})
	nobody := unixScheme + filepath.Join(t.TempDir(), "nobody")
	for address, want := range map[string]string{
		nobody:                            "nobody answers at " + nobody,
		"http://" + other.Addr().String(): "another program is there: it answers 404",
		other.Addr().String():             "another program is there",
		serveBroken(t).Addr().String():    "the loop ended",
		"unix://" + filepath.Dir("/"):     "nobody answers",
		"127.0.0.1:1":                     "connection refused",
	} {
		c, err := NewClient(address)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Report(t.Context())
		c.Close()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "http://status") {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, bad := range []string{"", "pigeon", "https://x:1", "/run/x"} {
		if _, err := NewClient(bad); err == nil || !strings.Contains(err.Error(), "unix:///path or host:port") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func serveBroken(t *testing.T) *Server {
	return serve(t, ServeOptions{Address: "127.0.0.1:0"}, Source{Report: func(context.Context) (Report, error) {
		return Report{}, errors.New("the loop ended")
	}})
}

// What is in place counts as placed, acknowledged or not.
func TestPlaced(t *testing.T) {
	for stage, want := range map[Stage]bool{
		StageNone: false, StageRendered: false, StageChecking: false, StageRefused: false,
		StagePlaced: true, StageTelling: true, StageWaiting: true, StageAcked: true, StageKept: true,
	} {
		first := Report{Rollouts: []RolloutReport{{Stage: StageAcked, Generation: 1}, {Stage: stage}}}
		if got := first.Placed(); got != want {
			t.Errorf("first generation, %s: %v", stage, got)
		}
		later := Report{Rollouts: []RolloutReport{{Stage: stage, Generation: 4}}}
		if !later.Placed() {
			t.Errorf("a later generation, %s: not placed", stage)
		}
	}
}

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// The load is a steady 40 requests a second from a few clients: enough to meet
// every moment of a rotation, and little enough to leave the processors idle.
const (
	clients = 4
	pace    = 100 * time.Millisecond // between the requests of one client
)

var client = &http.Client{
	Timeout:       10 * time.Second,
	Transport:     &http.Transport{MaxIdleConnsPerHost: 2 * clients, IdleConnTimeout: time.Minute},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (r *rig) get(path string) (int, string, error) {
	resp, err := client.Get(r.base + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// load sends requests until stopLoad.
func (r *rig) load() {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			if !pause(ctx, time.Duration(i)*pace/clients) {
				return
			}
			tick := time.NewTicker(pace)
			defer tick.Stop()
			for n := 0; ctx.Err() == nil; n++ {
				r.request(i, n)
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}
	r.stopLoad = sync.OnceFunc(func() { cancel(); wg.Wait() })
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *rig) request(who, n int) {
	r.requests.Add(1)
	var code int
	var err error
	began := time.Now()
	if n%5 == 0 {
		var resp *http.Response
		resp, err = client.PostForm(r.base+"/add", url.Values{"note": {fmt.Sprintf("note %d of client %d", n, who)}})
		if err == nil {
			code = resp.StatusCode
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	} else {
		code, _, err = r.get(fmt.Sprintf("/read/%d", n%notes+1))
	}
	if err != nil || code >= 400 {
		r.failures.add(began, fmt.Sprintf("%d %v", code, err))
	}
}

// failures are the requests that failed.
type failures struct {
	mu  sync.Mutex
	all []failure
}

type failure struct {
	began, ended time.Time
	text         string
}

func (f *failures) add(began time.Time, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, failure{began, time.Now(), text})
}

// since are the failures of requests that began after a moment.
func (f *failures) since(t time.Time) []failure {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []failure
	for _, x := range f.all {
		if x.began.After(t) {
			out = append(out, x)
		}
	}
	return out
}

// span is the time from the first failed request's beginning to the last one's
// end.
func span(fs []failure) (d time.Duration) {
	for _, a := range fs {
		for _, b := range fs {
			d = max(d, b.ended.Sub(a.began))
		}
	}
	return d
}

// noFailures fails the test when a request failed since t.
func (r *rig) noFailures(t time.Time) {
	r.t.Helper()
	if fs := r.failures.since(t); len(fs) > 0 {
		r.t.Errorf("%d of %d requests failed, the first with %s", len(fs), r.requests.Load(), fs[0].text)
	}
}

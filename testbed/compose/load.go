package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The load is a steady 40 requests a second from a few clients.
const (
	clients = 4
	pace    = 100 * time.Millisecond // between the requests of one client
)

// load uses the webapp.
type load struct {
	base     string // URL
	http     *http.Client
	requests atomic.Int64
	stop     func() // ends it and waits for the last request

	mu     sync.Mutex
	failed []string
}

func newLoad() *load {
	return &load{http: &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// start sends requests until stop.
func (l *load) start(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			tick := time.NewTicker(pace)
			defer tick.Stop()
			for n := 0; ctx.Err() == nil; n++ {
				// What has begun is finished, also when all of it ends.
				l.request(context.WithoutCancel(ctx), n)
				<-tick.C
			}
		})
	}
	l.stop = func() { cancel(); wg.Wait() }
}

// request writes a note now and then, and reads them otherwise.
func (l *load) request(ctx context.Context, n int) {
	l.requests.Add(1)
	var err error
	if n%5 == 0 {
		form := url.Values{"note": {fmt.Sprintf("note %d", n)}}.Encode()
		_, err = l.do(ctx, http.MethodPost, "/add", strings.NewReader(form))
	} else {
		_, err = l.get(ctx, "/")
	}
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failed = append(l.failed, time.Now().Format("15:04:05.000 ")+err.Error())
	}
}

func (l *load) get(ctx context.Context, path string) (string, error) {
	return l.do(ctx, http.MethodGet, path, nil)
}

func (l *load) do(ctx context.Context, method, path string, body io.Reader) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, l.base+path, body)
	if err != nil {
		return "", err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := l.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 400 {
		err = fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return string(b), err
}

// noFailures ends the load and counts.
func (l *load) noFailures(context.Context) error {
	l.stop()
	n := l.requests.Load()
	fmt.Printf("   %d requests, %d failed\n", n, len(l.failed))
	switch {
	case n < 500:
		return fmt.Errorf("only %d requests", n)
	case len(l.failed) > 0:
		return fmt.Errorf("%d of %d requests failed, the first: %s", len(l.failed), n, l.failed[0])
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	requestEvery = 100 * time.Millisecond
	reportEvery  = 10 * time.Second
	// shownFailures is how many failures get a line of their own; the summary
	// counts all.
	shownFailures = 10
)

// trickle is a steady stream of requests, as visitors would make them.
type trickle struct {
	*timeline
	base   string
	client *http.Client

	mu       sync.Mutex
	requests int
	notes    int // saved so far
	failed   map[string]int
}

func newTrickle(t *timeline, base string) *trickle {
	return &trickle{
		timeline: t, base: base, failed: map[string]int{},
		client: &http.Client{
			Timeout:       10 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// run makes requests until ctx ends, and returns when the last is answered.
func (t *trickle) run(ctx context.Context) {
	defer t.client.CloseIdleConnections()
	var running sync.WaitGroup
	defer running.Wait()
	next, report := time.NewTicker(requestEvery), time.NewTicker(reportEvery)
	defer next.Stop()
	defer report.Stop()
	for n := 0; ; n++ {
		// A slow answer must not hold up the next visitor.
		running.Go(func() { t.one(n) })
		select {
		case <-ctx.Done():
			return
		case <-report.C:
			requests, failed := t.counts()
			t.say(fromTraffic, "%d requests so far, %d failed", requests, failed)
		case <-next.C:
		}
	}
}

// one makes the n-th request: mostly reading, sometimes writing.
func (t *trickle) one(n int) {
	switch saved := t.saved(); {
	case n%10 == 0:
		form := url.Values{"note": {"note at " + time.Now().Format(time.TimeOnly)}}
		r, err := t.client.PostForm(t.base+"/add", form)
		if t.count("POST /add", http.StatusSeeOther, r, err) {
			t.mu.Lock()
			t.notes++
			t.mu.Unlock()
		}
	case n%2 == 0 && saved > 0:
		path := fmt.Sprintf("/read/%d", 1+n%saved)
		r, err := t.client.Get(t.base + path)
		t.count("GET /read", http.StatusOK, r, err)
	default:
		r, err := t.client.Get(t.base + "/")
		t.count("GET /", http.StatusOK, r, err)
	}
}

func (t *trickle) saved() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.notes
}

// count reads the answer and says whether it is the wanted one.
func (t *trickle) count(what string, want int, r *http.Response, err error) bool {
	kind := ""
	if err == nil {
		_, err = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
		if r.StatusCode != want {
			kind = what + ": " + r.Status
		}
	}
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err // the address is known and differs by note
		}
		kind = what + ": " + err.Error()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	if kind == "" {
		return true
	}
	t.failed[kind]++
	if total(t.failed) <= shownFailures {
		t.warn(fromTraffic, "FAILED %s", kind)
	}
	return false
}

func (t *trickle) counts() (requests, failed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.requests, total(t.failed)
}

func total(m map[string]int) int {
	n := 0
	for v := range maps.Values(m) {
		n += v
	}
	return n
}

// failures lists what failed and how often.
func (t *trickle) failures() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	for _, kind := range slices.Sorted(maps.Keys(t.failed)) {
		out = append(out, fmt.Sprintf("%d x %s", t.failed[kind], kind))
	}
	return out
}

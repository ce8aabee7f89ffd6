package kills

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

const (
	loadClients = 4
	loadPace    = 100 * time.Millisecond // of each client
)

// load is the people who use the application.
type load struct {
	base    string
	client  *http.Client
	problem func(format string, args ...any)

	requests, failed atomic.Int64
}

func newLoad(base string, problem func(string, ...any)) *load {
	return &load{base: base, problem: problem, client: &http.Client{
		Timeout:       10 * time.Second,
		Transport:     &http.Transport{MaxIdleConnsPerHost: loadClients},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// run sends requests until ctx ends and its last answers are there.
func (l *load) run(ctx context.Context) {
	var wg sync.WaitGroup
	for i := range loadClients {
		wg.Go(func() {
			pace := time.NewTicker(loadPace)
			defer pace.Stop()
			for n := 0; ctx.Err() == nil; n++ {
				l.request(i, n)
				<-pace.C
			}
		})
	}
	wg.Wait()
	l.client.CloseIdleConnections() // else the application waits for them when it stops
}

func (l *load) request(client, n int) {
	l.requests.Add(1)
	began := time.Now()
	var code int
	var body string
	var err error
	if n%5 == 0 {
		code, body, err = answer(l.client.PostForm(l.base+"/add", url.Values{"note": {fmt.Sprintf("note %d of client %d", n, client)}}))
	} else {
		code, body, err = answer(l.client.Get(fmt.Sprintf("%s/read/%d", l.base, n%20+1)))
	}
	if err != nil || code >= 400 {
		l.failed.Add(1)
		l.problem("a request failed at %s after %v: %d, %v, %.200q", began.Format("15:04:05.000"), time.Since(began), code, err, body)
	}
}

func answer(resp *http.Response, err error) (code int, body string, _ error) {
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// Package refresh tells the renderer that the database refuses its newest
// credentials, so that it looks at their leases now and not at its next turn.
//
// It does not wait for new credentials: they come by the rendered file.
package refresh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	path     = "/-/refresh"
	every    = time.Second     // one request at most
	patience = 2 * time.Second // for one answer
)

// Reporter sends what Report is given, from Run. Make it with New.
type Reporter struct {
	address string // for people
	url     string
	http    *http.Client
	log     *slog.Logger
	reasons chan string // holds one: what comes meanwhile says the same
}

// New is for a renderer's status address: unix:///path/of/socket, or
// http://host:port. log may be nil.
func New(address string, log *slog.Logger) (*Reporter, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	tr := &http.Transport{MaxIdleConns: 1, IdleConnTimeout: 2 * every}
	r := &Reporter{
		address: address, log: log, reasons: make(chan string, 1),
		http: &http.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}},
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
	case u.Scheme == "unix" && u.Host == "" && strings.HasPrefix(u.Path, "/"):
		r.url = "http://renderer" + path
		tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", u.Path)
		}
		return r, nil
	case u.Scheme == "http" && u.Host != "" && u.User == nil && (u.Path == "" || u.Path == "/" || u.Path == path):
		r.url = "http://" + u.Host + path
		return r, nil
	}
	return nil, errors.New("the renderer's address must be unix:///path/of/socket or http://host:port")
}

// Report asks for a refresh. It never blocks; the reason is for the renderer's
// log and must hold no secret.
func (r *Reporter) Report(reason string) {
	select {
	case r.reasons <- reason:
	default:
	}
}

// Run sends until ctx ends, then returns nil. A failure is logged when it is
// another than the last, and so is its end.
func (r *Reporter) Run(ctx context.Context) error {
	defer r.http.CloseIdleConnections()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case reason := <-r.reasons:
			last = r.tell(ctx, reason, last)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// tell sends one reason and logs what is new about the outcome.
func (r *Reporter) tell(ctx context.Context, reason, last string) (now string) {
	err := r.send(ctx, reason)
	if ctx.Err() != nil {
		return last
	}
	if err != nil {
		now = err.Error()
	}
	switch {
	case now != "" && now != last:
		r.log.Warn("the renderer was not told of refused credentials; it finds out by itself, later", "address", r.address, "error", err)
	case now == "":
		r.log.Info("the renderer was told of refused credentials", "address", r.address, "reason", reason)
	}
	return now
}

func (r *Reporter) send(ctx context.Context, reason string) error {
	body, err := json.Marshal(map[string]string{"reason": reason})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.http.Do(req)
	if err != nil {
		if inner := errors.Unwrap(err); inner != nil {
			err = inner // without the made-up URL of a socket
		}
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4<<10))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the answer is %s", resp.Status)
	}
	return nil
}

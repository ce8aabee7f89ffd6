package gcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"time"
)

// reach says what is being talked to.
type reach int

const (
	local reach = iota // on this machine or link: never through a proxy
	cloud              // Google's public services
)

// client makes one for a single exchange. It follows no redirect: the headers
// carry secrets.
func (m *Method) client(r reach) *http.Client {
	if m.HTTP != nil {
		return m.HTTP
	}
	t := &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext}
	c := &http.Client{
		Transport: t, Timeout: 5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if r == cloud {
		t.Proxy = http.ProxyFromEnvironment
		t.DialContext = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
		t.TLSHandshakeTimeout = 10 * time.Second
		c.Timeout = 30 * time.Second
	}
	return c
}

// send gives the answer's status, headers and body.
func (m *Method) send(r *http.Request, to reach) (int, http.Header, []byte, error) {
	resp, err := m.client(to).Do(r)
	if err != nil {
		return 0, nil, nil, cause(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("the answer broke off: %w", cause(err))
	}
	return resp.StatusCode, resp.Header, raw, nil
}

// cause drops the URL around a network's error: the caller names the place.
func cause(err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return errors.New("no answer in time")
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// refusal is what Google says of a refused request: OAuth's form, or that of
// the other services.
func refusal(status int, raw []byte) string {
	var o struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(raw, &o) == nil && o.Error != "" {
		return fmt.Sprintf("%s (%s)", o.Error, o.Description)
	}
	var s struct {
		Error struct{ Status, Message string } `json:"error"`
	}
	if json.Unmarshal(raw, &s) == nil && s.Error.Status != "" {
		return fmt.Sprintf("%s (%s)", s.Error.Status, s.Error.Message)
	}
	return fmt.Sprintf("status %d", status)
}

// withoutTokens takes JWTs and Google's access tokens out of a text.
func withoutTokens(s string) string {
	return regexp.MustCompile(`(eyJ|ya29\.)[\w.+/=-]+`).ReplaceAllString(s, "[redacted]")
}

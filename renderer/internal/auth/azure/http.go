package azure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// reach says what is being talked to.
type reach int

const (
	local reach = iota // on this machine or link: never through a proxy
	cloud              // Azure's public services
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

// send gives the answer's status and body.
func (m *Method) send(r *http.Request, to reach) (int, []byte, error) {
	resp, err := m.client(to).Do(r)
	if err != nil {
		return 0, nil, cause(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return 0, nil, fmt.Errorf("the answer broke off: %w", cause(err))
	}
	return resp.StatusCode, raw, nil
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

// refusal is what Azure says of a refused request.
func refusal(status int, raw []byte) string {
	var e struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(raw, &e) != nil || e.Error == "" {
		return fmt.Sprintf("status %d", status)
	}
	first, _, _ := strings.Cut(e.Description, "\n") // below are ids for Microsoft's support
	return fmt.Sprintf("%s (%s)", e.Error, strings.TrimSpace(first))
}

// redact takes a secret that an answer repeats out of an error.
func redact(err error, secret string) error {
	if secret == "" || !strings.Contains(err.Error(), secret) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), secret, "[redacted]"))
}

package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// statusError is an answer that says no.
type statusError struct {
	status     int
	code, text string // the cloud's own words; "" when there are none
}

func (e *statusError) Error() string {
	if e.code == "" {
		return fmt.Sprintf("status %d", e.status)
	}
	return fmt.Sprintf("status %d, %s: %s", e.status, e.code, e.text)
}

// metadata reads one item of the instance's metadata.
func (m *Method) metadata(ctx context.Context, base, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return nil, fmt.Errorf("instance metadata: %w", err)
	}
	r.Header.Set("Authorization", "Bearer Oracle")
	raw, err := m.send(r, 5*time.Second)
	if err != nil {
		return nil, fmt.Errorf("instance metadata: %s: %w", r.URL, err)
	}
	return raw, nil
}

// send sends a request on a connection of its own.
func (m *Method) send(r *http.Request, limit time.Duration) ([]byte, error) {
	c := http.Client{Transport: m.Transport, Timeout: limit}
	if c.Transport == nil {
		t := &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: limit}).DialContext}
		if r.URL.Scheme == "https" { // metadata are never behind a proxy
			t.Proxy = http.ProxyFromEnvironment
		}
		c.Transport = t
	}
	resp, err := c.Do(r)
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		var says struct{ Code, Message string }
		_ = json.Unmarshal(raw, &says)
		return nil, &statusError{resp.StatusCode, says.Code, says.Message}
	}
	return raw, nil
}

package alicloud

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

// metadataURL is the metadata server that every instance has.
const metadataURL = "http://100.100.100.200/latest/"

// ofInstance gives the credentials of the instance's role; "" = the role that
// the metadata name.
func (m *Method) ofInstance(ctx context.Context, role string) (credential, error) {
	token := m.metadataToken(ctx)
	const path = "meta-data/ram/security-credentials/"
	if role == "" {
		raw, err := m.metadata(ctx, path, token)
		if err != nil {
			return credential{}, err
		}
		role = strings.TrimSpace(string(raw))
		if role == "" {
			return credential{}, errors.New("instance metadata: the instance has no RAM role")
		}
	}
	raw, err := m.metadata(ctx, path+url.PathEscape(role), token)
	if err != nil {
		return credential{}, err
	}
	var c struct{ Code, AccessKeyID, AccessKeySecret, SecurityToken string }
	if json.Unmarshal(raw, &c) != nil || c.Code != "Success" || c.AccessKeyID == "" || c.AccessKeySecret == "" || c.SecurityToken == "" {
		return credential{}, fmt.Errorf("instance metadata: the answer for the RAM role %s holds no credentials", role)
	}
	return credential{c.AccessKeyID, c.AccessKeySecret, c.SecurityToken}, nil
}

// metadataToken gives the token that a hardened metadata server wants, "" when
// it gives none: others do without.
func (m *Method) metadataToken(ctx context.Context) string {
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, metadataURL+"api/token", nil)
	if err != nil {
		return ""
	}
	r.Header.Set("X-aliyun-ecs-metadata-token-ttl-seconds", "300")
	raw, status, err := m.send(r, 5*time.Second)
	if err != nil || status != http.StatusOK {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

func (m *Method) metadata(ctx context.Context, path, token string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, metadataURL+path, nil)
	if err != nil {
		return nil, fmt.Errorf("instance metadata: %w", err)
	}
	if token != "" {
		r.Header.Set("X-aliyun-ecs-metadata-token", token)
	}
	raw, status, err := m.send(r, 5*time.Second)
	switch {
	case err != nil:
		return nil, fmt.Errorf("instance metadata: %w", err)
	case status != http.StatusOK:
		return nil, fmt.Errorf("instance metadata: %s: status %d", path, status)
	}
	return raw, nil
}

// send sends a request on a connection of its own. Its error holds no URL: a
// signed one has the security token in it.
func (m *Method) send(r *http.Request, limit time.Duration) ([]byte, int, error) {
	c := http.Client{Transport: m.Transport, Timeout: limit}
	if c.Transport == nil {
		t := &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: limit}).DialContext}
		if r.URL.Scheme == "https" { // metadata are never behind a proxy
			t.Proxy = http.ProxyFromEnvironment
		}
		c.Transport = t
	}
	resp, err := c.Do(r)
	if err != nil {
		return nil, 0, cause(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return raw, resp.StatusCode, cause(err)
}

// cause takes the URL off an error.
func cause(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

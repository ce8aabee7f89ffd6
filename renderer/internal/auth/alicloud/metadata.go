package alicloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"vault-renderer/renderer/internal/auth/cloud"
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
	a, err := cloud.Send(r, cloud.Local, m.Transport)
	if err != nil || a.Status != http.StatusOK {
		return ""
	}
	return strings.TrimSpace(string(a.Body))
}

func (m *Method) metadata(ctx context.Context, path, token string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, metadataURL+path, nil)
	if err != nil {
		return nil, fmt.Errorf("instance metadata: %w", err)
	}
	if token != "" {
		r.Header.Set("X-aliyun-ecs-metadata-token", token)
	}
	a, err := cloud.Send(r, cloud.Local, m.Transport)
	switch {
	case err != nil:
		return nil, fmt.Errorf("instance metadata: %w", err)
	case a.Status != http.StatusOK:
		return nil, fmt.Errorf("instance metadata: %s: status %d", path, a.Status)
	}
	return a.Body, nil
}

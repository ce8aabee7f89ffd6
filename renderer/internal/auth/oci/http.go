package oci

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"vault-renderer/renderer/internal/auth/cloud"
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
	raw, err := m.send(r, cloud.Local)
	if err != nil {
		return nil, fmt.Errorf("instance metadata: %s: %w", r.URL, err)
	}
	return raw, nil
}

// send gives what is in an answer that says yes.
func (m *Method) send(r *http.Request, to cloud.Reach) ([]byte, error) {
	a, err := cloud.Send(r, to, m.Transport)
	if err != nil {
		return nil, err
	}
	if a.Status != http.StatusOK {
		var says struct{ Code, Message string }
		_ = json.Unmarshal(a.Body, &says)
		return nil, &statusError{a.Status, says.Code, says.Message}
	}
	return a.Body, nil
}

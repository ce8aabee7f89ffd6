package gcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"vault-renderer/renderer/internal/auth/cloud"
)

// metadataHost is the machine's metadata service; the variable is that of
// Google's own libraries.
func metadataHost() string {
	if h := os.Getenv("GCE_METADATA_HOST"); h != "" {
		return h
	}
	return "169.254.169.254"
}

// metadata asks for something about the machine's service account. Both sides
// say that they are what they seem, so that nobody else is asked by accident.
func (m *Method) metadata(ctx context.Context, of string, q url.Values) ([]byte, error) {
	account := m.ServiceAccount
	if account == "" || m.Type != "gce" {
		account = "default"
	}
	u := url.URL{Scheme: "http", Host: metadataHost(), Path: "/computeMetadata/v1/instance/service-accounts/" + account + "/" + of, RawQuery: q.Encode()}
	what := "instance metadata at " + u.Host
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, errors.New(what + ": not an address")
	}
	r.Header.Set("Metadata-Flavor", "Google")
	a, err := cloud.Send(r, cloud.Local, m.Transport)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", what, err)
	case a.Status == http.StatusNotFound:
		return nil, fmt.Errorf("%s: the machine has no service account %s", what, account)
	case a.Status != http.StatusOK:
		return nil, fmt.Errorf("%s: status %d", what, a.Status)
	case a.Header.Get("Metadata-Flavor") != "Google":
		return nil, fmt.Errorf("%s: this is not Google's service", what)
	}
	return a.Body, nil
}

// machine gives the credentials of the machine itself.
func (m *Method) machine(ctx context.Context) (*credentials, error) {
	account, err := m.metadata(ctx, "email", nil)
	if err != nil {
		return nil, err
	}
	token := func() (string, error) {
		raw, err := m.metadata(ctx, "token", url.Values{"scopes": {scope}})
		if err != nil {
			return "", err
		}
		var a struct {
			AccessToken string `json:"access_token"`
		}
		if err := json.Unmarshal(raw, &a); err != nil || a.AccessToken == "" {
			return "", errors.New("the answer holds no token")
		}
		return a.AccessToken, nil
	}
	return &credentials{from: "the machine's credentials", account: strings.TrimSpace(string(account)), token: token}, nil
}

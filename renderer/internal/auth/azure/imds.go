package azure

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

// instance is what a machine knows of itself.
type instance struct {
	Compute struct {
		Name              string `json:"name"`
		ResourceGroupName string `json:"resourceGroupName"`
		SubscriptionID    string `json:"subscriptionId"`
		VMScaleSetName    string `json:"vmScaleSetName"`
	} `json:"compute"`
}

// imdsVersion is the version that Vault Agent asks for, of both endpoints.
const imdsVersion = "2018-02-01"

// imds is the address of the instance metadata service; the variable is that
// of Azure's own libraries.
func imds() string {
	if e := os.Getenv("AZURE_POD_IDENTITY_AUTHORITY_HOST"); e != "" {
		return strings.TrimRight(e, "/")
	}
	return "http://169.254.169.254"
}

func (m *Method) instance(ctx context.Context) (*instance, error) {
	const what = "instance metadata"
	raw, err := m.local(ctx, what, imds()+"/metadata/instance", url.Values{"api-version": {imdsVersion}}, "Metadata", "true")
	if err != nil {
		return nil, err
	}
	var i instance
	if err := json.Unmarshal(raw, &i); err != nil {
		return nil, errors.New(what + ": the answer is not in the form of a machine's")
	}
	return &i, nil
}

// fromInstance gets a token of the machine's managed identity.
func (m *Method) fromInstance(ctx context.Context, resource string, which map[string]string) (string, error) {
	q := url.Values{"api-version": {imdsVersion}, "resource": {resource}}
	for k, v := range which {
		if v != "" {
			q.Set(k, v)
		}
	}
	const what = "managed identity"
	raw, err := m.local(ctx, what, imds()+"/metadata/identity/oauth2/token", q, "Metadata", "true")
	if err != nil {
		return "", err
	}
	return accessToken(what, raw)
}

// fromAppService gets a token where App Service, Functions or Container Apps
// hand them out.
func (m *Method) fromAppService(ctx context.Context, resource, client string) (string, error) {
	q := url.Values{"api-version": {"2019-08-01"}, "resource": {resource}}
	if client != "" {
		q.Set("client_id", client)
	}
	endpoint, secret := os.Getenv("IDENTITY_ENDPOINT"), os.Getenv("IDENTITY_HEADER")
	const what = "managed identity at IDENTITY_ENDPOINT"
	raw, err := m.local(ctx, what, endpoint, q, "X-IDENTITY-HEADER", secret)
	if err != nil {
		return "", redact(err, secret)
	}
	return accessToken(what, raw)
}

// local asks a service of the machine itself.
func (m *Method) local(ctx context.Context, what, address string, q url.Values, header, value string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"?"+q.Encode(), nil)
	if err != nil {
		return nil, errors.New(what + ": not an address")
	}
	r.Header.Set(header, value)
	a, err := cloud.Send(r, cloud.Local, m.Transport)
	if err != nil {
		return nil, fmt.Errorf("%s at %s: %w", what, address, err)
	}
	if a.Status != http.StatusOK {
		return nil, fmt.Errorf("%s at %s: %s", what, address, refusal(a))
	}
	return a.Body, nil
}

// accessToken reads the token out of an answer. The answer's text stays out of
// the errors: it holds the token.
func accessToken(what string, raw []byte) (string, error) {
	var a struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(raw, &a); err != nil || a.AccessToken == "" {
		return "", errors.New(what + ": the answer holds no token")
	}
	return a.AccessToken, nil
}

package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"vault-renderer/renderer/internal/auth/cloud"
)

// withSecret gets a token for an application by its password.
func (m *Method) withSecret(ctx context.Context, tenant, client string) (string, error) {
	secret := os.Getenv("AZURE_CLIENT_SECRET")
	return m.grant(ctx, "AZURE_CLIENT_SECRET", tenant, client, "client_secret", secret)
}

// withFederatedToken gets a token for an application by another identity
// provider's (Kubernetes'), which is read anew each time.
func (m *Method) withFederatedToken(ctx context.Context, tenant, client string) (string, error) {
	path := os.Getenv("AZURE_FEDERATED_TOKEN_FILE")
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("AZURE_FEDERATED_TOKEN_FILE: %w", err)
	}
	token := strings.TrimSpace(string(raw))
	if token == "" {
		return "", fmt.Errorf("AZURE_FEDERATED_TOKEN_FILE: %s is empty", path)
	}
	return m.grant(ctx, "the token in "+path, tenant, client, "client_assertion", token)
}

// withCertificate gets a token for an application by a signature of its key.
func (m *Method) withCertificate(ctx context.Context, tenant, client string) (string, error) {
	path := os.Getenv("AZURE_CLIENT_CERTIFICATE_PATH")
	endpoint, err := tokenEndpoint(tenant)
	if err != nil {
		return "", err
	}
	assertion, err := signedAssertion(path, endpoint, client, time.Now())
	if err != nil {
		return "", fmt.Errorf("AZURE_CLIENT_CERTIFICATE_PATH: %w", err)
	}
	return m.grant(ctx, "the certificate in "+path, tenant, client, "client_assertion", assertion)
}

// tokenEndpoint is where the tenant's tokens are made. What is sent there goes
// over TLS, or stays on the machine.
func tokenEndpoint(tenant string) (string, error) {
	host := os.Getenv("AZURE_AUTHORITY_HOST")
	if host == "" {
		host = "https://login.microsoftonline.com"
	}
	u, err := url.Parse(host)
	if err != nil || u.Host == "" || u.Scheme != "https" && !cloud.IsLoopback(u.Hostname()) {
		return "", errors.New("AZURE_AUTHORITY_HOST is not an https address")
	}
	return u.JoinPath(tenant, "oauth2/v2.0/token").String(), nil
}

// grant is the client credentials grant; proof is the form's field that holds
// the secret.
func (m *Method) grant(ctx context.Context, by, tenant, client, proof, secret string) (string, error) {
	endpoint, err := tokenEndpoint(tenant)
	if err != nil {
		return "", err
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "scope": {m.scope()}, proof: {secret}}
	if proof == "client_assertion" {
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	}
	what := fmt.Sprintf("application %s with %s at %s", client, by, endpoint)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", errors.New(what + ": not an address")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a, err := cloud.Send(r, cloud.Public, m.Transport)
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	if a.Status != http.StatusOK {
		return "", redact(fmt.Errorf("%s: %s", what, refusal(a)), secret)
	}
	return accessToken(what, a.Body)
}

// Package gcp logs in with an identity that Google vouches for: of a virtual
// machine (type gce: a token of its metadata service) or of a service account
// (type iam: a JWT that Google signs for it). Only the kinds of Google's
// credential files are a library's business; it does not retry or sleep.
package gcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"vault-renderer/renderer/internal/auth/cloud"
	"vault-renderer/renderer/internal/vault"
)

// Method is the gcp method. Its credentials are looked for at every login.
type Method struct {
	Client         *vault.Client
	MountPath      string // "auth/gcp"
	Type           string // gce, iam
	Role           string
	ServiceAccount string        // "" or "default" = the machine's, or that of the credentials
	Credentials    string        // iam: the path or the content of a credentials file; "" = Google's own chain
	Project        string        // accepted for Vault Agent's sake: Google finds the account without it
	JWTExp         time.Duration // iam; 15 min when 0
	Log            *slog.Logger

	// Transport replaces the network (not Vault's) in tests.
	Transport http.RoundTripper
	// IAMEndpoint is where JWTs are signed; "" = Google's.
	IAMEndpoint string
}

// Login implements auth.Method.
func (m *Method) Login(ctx context.Context) (*vault.Auth, error) {
	var jwt string
	var err error
	switch m.Type {
	case "gce":
		jwt, err = m.gce(ctx)
	case "iam":
		jwt, err = m.iam(ctx)
	default:
		err = fmt.Errorf("type %q is unknown: it is gce or iam", m.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("gcp: %w", err)
	}
	return m.Client.Login(ctx, m.MountPath+"/login", map[string]any{"role": m.Role, "jwt": jwt})
}

// gce gives the machine's identity token. Its audience ends in what Vault
// wants, and begins, as Vault Agent's, with the server that it is for.
func (m *Method) gce(ctx context.Context) (string, error) {
	q := url.Values{"audience": {strings.TrimRight(m.Client.Address(), "/") + "/vault/" + m.Role}, "format": {"full"}}
	raw, err := m.metadata(ctx, "identity", q)
	if err != nil {
		return "", err
	}
	jwt := strings.TrimSpace(string(raw))
	if strings.Count(jwt, ".") != 2 {
		return "", errors.New("instance metadata: the answer is no identity token")
	}
	return jwt, nil
}

// iam gives a JWT that Google signed with the service account's key.
func (m *Method) iam(ctx context.Context) (string, error) {
	c, err := m.find(ctx)
	if err != nil {
		return "", err
	}
	account := m.ServiceAccount
	if account == "" || account == "default" {
		account = c.account
	}
	if account == "" {
		return "", fmt.Errorf("%s name no service account: service_account must be set", c.from)
	}
	token, err := c.token()
	if err != nil {
		return "", fmt.Errorf("%s: %w", c.from, err)
	}
	exp := m.JWTExp
	if exp == 0 {
		exp = 15 * time.Minute
	}
	claims, err := json.Marshal(map[string]any{
		"aud": "http://vault/" + m.Role, "sub": account, "exp": time.Now().Add(exp).Unix(),
	})
	if err != nil {
		return "", err
	}
	return m.sign(ctx, account, token, string(claims))
}

// sign has Google sign claims as a service account.
func (m *Method) sign(ctx context.Context, account, token, claims string) (string, error) {
	endpoint := m.IAMEndpoint
	if endpoint == "" {
		endpoint = "https://iamcredentials.googleapis.com"
	}
	what := "sign a JWT as " + account + " at " + endpoint
	body, err := json.Marshal(map[string]string{"payload": claims})
	if err != nil {
		return "", err
	}
	address := strings.TrimRight(endpoint, "/") + "/v1/projects/-/serviceAccounts/" + url.PathEscape(account) + ":signJwt"
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(string(body)))
	if err != nil {
		return "", errors.New(what + ": not an address")
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	a, err := cloud.Send(r, cloud.Public, m.Transport)
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	if a.Status != http.StatusOK {
		return "", fmt.Errorf("%s: %s", what, strings.ReplaceAll(refusal(a.Status, a.Body), token, "[redacted]"))
	}
	var says struct {
		SignedJWT string `json:"signedJwt"`
	}
	if err := json.Unmarshal(a.Body, &says); err != nil || says.SignedJWT == "" {
		return "", errors.New(what + ": the answer holds no JWT")
	}
	return says.SignedJWT, nil
}

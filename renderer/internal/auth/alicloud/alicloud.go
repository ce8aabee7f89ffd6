// Package alicloud logs in with an identity of Alibaba Cloud (RAM): it signs a
// request that asks the Security Token Service who the caller is, and Vault
// sends that request. The service's protocols are plain HTTP and HMAC; the
// cloud's library is not needed for them. Credentials are found anew at every
// login.
package alicloud

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"vault-renderer/renderer/internal/auth/cloud"
	"vault-renderer/renderer/internal/vault"
)

// Method is the alicloud method. It is an auth.Watcher too.
type Method struct {
	Client    *vault.Client
	MountPath string // "auth/alicloud"
	Role      string
	Region    string

	// The credentials, unless the environment has some: a key, with a token or
	// a role to assume; else an instance's role; else a pair of RSA keys. With
	// none of them, the role that the instance's metadata name.
	AccessKey, AccessSecret, AccessToken string
	RoleARN, RoleSessionName             string
	RoleSessionExpiration                time.Duration // 0 = an hour
	RoleName                             string
	PrivateKey, PublicKeyID              string
	SessionExpiration                    time.Duration // 0 = an hour

	CredentialPollInterval time.Duration // 0 = a minute
	Log                    *slog.Logger
	// Transport replaces the network (not Vault's) in tests.
	Transport http.RoundTripper

	mu   sync.Mutex
	last source // of the last login, or of the last call of changed
}

// Login implements auth.Method.
func (m *Method) Login(ctx context.Context) (*vault.Auth, error) {
	src, err := m.find(ctx)
	if err != nil {
		return nil, fmt.Errorf("alicloud: %w", err)
	}
	m.mu.Lock()
	m.last = src
	m.mu.Unlock()
	cred, err := m.session(ctx, src)
	if err != nil {
		return nil, fmt.Errorf("alicloud: %w", err)
	}
	body, err := loginBody(m.Role, m.Region, cred, time.Now())
	if err != nil {
		return nil, fmt.Errorf("alicloud: %w", err)
	}
	a, err := m.Client.Login(ctx, m.MountPath+"/login", body)
	return a, withoutSigned(err)
}

// loginBody is a login: the signed request that Vault is to send.
func loginBody(role, region string, cred credential, now time.Time) (map[string]any, error) {
	u, err := signed(http.MethodPost, stsHost(region), region, "GetCallerIdentity", nil, cred, now)
	if err != nil {
		return nil, err
	}
	headers, err := json.Marshal(http.Header{
		"Accept":       {"application/json"},
		"Content-Type": {"application/x-www-form-urlencoded"},
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"role":                     role,
		"identity_request_url":     base64.StdEncoding.EncodeToString([]byte(u)),
		"identity_request_headers": base64.StdEncoding.EncodeToString(headers),
	}, nil
}

// signedQuery is the query of a signed URL.
var signedQuery = regexp.MustCompile(`\?[^\s"]*Signature[^\s"]*`)

// withoutSigned takes what was signed out of Vault's answer: the security token
// is in it. Vault names the URL when it can't reach the token service, and
// passes on what the service says that it would have signed.
func withoutSigned(err error) error {
	var ve *vault.Error
	if !errors.As(err, &ve) {
		return err
	}
	e := *ve
	e.Detail, _, _ = strings.Cut(e.Detail, "server string to sign")
	e.Detail = signedQuery.ReplaceAllString(e.Detail, "?[redacted]")
	return &e
}

// Watch implements auth.Watcher: it looks for other credentials than those of
// the last login.
func (m *Method) Watch(ctx context.Context, changed func()) {
	cloud.Poll(ctx, m.CredentialPollInterval, m.Log, "alicloud", m.differs, changed)
}

// differs says whether the credentials are others than at the last login or
// look.
func (m *Method) differs(ctx context.Context) (bool, error) {
	src, err := m.find(ctx)
	if err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	differs := src != m.last
	m.last = src
	return differs, nil
}

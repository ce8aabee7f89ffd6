// Package oci logs in with an identity of Oracle Cloud Infrastructure: a user's
// API signing key or the instance itself. It signs a request as the cloud
// wants it (draft-cavage-http-signatures, RSA and SHA-256), and Vault has the
// cloud judge the signature. The protocol is short enough not to need the
// cloud's library. Credentials are found anew at every login.
package oci

import (
	"context"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"vault-renderer/renderer/internal/auth/cloud"
	"vault-renderer/renderer/internal/vault"
)

// The types of credentials.
const (
	TypeAPIKey   = "apikey"
	TypeInstance = "instance"
)

// Method is the oci method. It is an auth.Watcher too.
type Method struct {
	Client    *vault.Client
	MountPath string // "auth/oci"
	Type      string // TypeAPIKey or TypeInstance
	Role      string

	CredentialPollInterval time.Duration // 0 = a minute
	Log                    *slog.Logger
	// Transport replaces the network (not Vault's) in tests.
	Transport http.RoundTripper

	home string // in place of the user's home directory, in tests

	mu   sync.Mutex
	last string // what identified the credentials of the last login, or at the last call of changed
}

// signer signs requests.
type signer struct {
	keyID string
	key   *rsa.PrivateKey
}

// Login implements auth.Method.
func (m *Method) Login(ctx context.Context) (*vault.Auth, error) {
	s, err := m.signer(ctx)
	if err != nil {
		return nil, fmt.Errorf("oci: %w", err)
	}
	// Vault's roles are in lower case, and the signed path must be the role's.
	path := m.MountPath + "/login/" + strings.ToLower(m.Role)
	header, err := s.loginHeader(m.Client.Address(), "/v1/"+path, time.Now())
	if err != nil {
		return nil, fmt.Errorf("oci: %w", err)
	}
	return m.Client.Login(ctx, path, map[string]any{"request_headers": header})
}

// signer finds the credentials and notes them for Watch.
func (m *Method) signer(ctx context.Context) (signer, error) {
	if m.Type == TypeInstance {
		i, err := m.instance(ctx)
		if err != nil {
			return signer{}, err
		}
		m.seen(i.id())
		return m.federate(ctx, i)
	}
	s, err := m.apiKey()
	if err != nil {
		return signer{}, err
	}
	m.seen(s.id())
	return s, nil
}

// seen notes what credentials are now, and says whether they were others
// before.
func (m *Method) seen(id string) (differs bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	differs = m.last != id
	m.last = id
	return differs
}

// loginHeader gives the headers of a signed GET of path: Vault has the cloud
// check them. The request itself is never sent.
func (s signer) loginHeader(address, path string, now time.Time) (http.Header, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		u = &url.URL{Host: "localhost"} // a unix socket
	}
	target := "get " + (&url.URL{Path: path}).RequestURI()
	date := now.UTC().Format(http.TimeFormat)
	auth, err := s.authorization([]field{{"date", date}, {"(request-target)", target}, {"host", u.Host}})
	if err != nil {
		return nil, err
	}
	return http.Header{
		"Date": {date}, "(request-target)": {target}, "Host": {u.Host}, "Authorization": {auth},
	}, nil
}

// Watch implements auth.Watcher: it looks for other credentials than those of
// the last login.
func (m *Method) Watch(ctx context.Context, changed func()) {
	cloud.Poll(ctx, m.CredentialPollInterval, m.Log, "oci", m.differs, changed)
}

func (m *Method) differs(ctx context.Context) (bool, error) {
	id, err := m.identity(ctx)
	return err == nil && m.seen(id), err
}

// identity tells credentials apart.
func (m *Method) identity(ctx context.Context) (string, error) {
	if m.Type == TypeInstance {
		i, err := m.instance(ctx)
		return i.id(), err
	}
	s, err := m.apiKey()
	return s.id(), err
}

// Package aws logs in with an identity that Amazon vouches for: of a role or
// user (type iam: a signed request that Vault sends on to STS) or of a virtual
// machine (type ec2: its signed identity document). It speaks AWS's documented
// protocols over net/http; it does not retry or sleep, Watch's poll aside.
package aws

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"vault-renderer/renderer/internal/auth/cloud"
	"vault-renderer/renderer/internal/vault"
)

// Method is the aws method. Its credentials are looked for at every login.
type Method struct {
	Client    *vault.Client
	MountPath string // "auth/aws"
	Type      string // iam, ec2
	Role      string

	AccessKey, SecretKey, SessionToken string // "" = found as AWS's own tools find them

	Region                 string        // "" = us-east-1
	HeaderValue            string        // iam: X-Vault-AWS-IAM-Server-ID; "" = none
	Nonce                  string        // ec2; "" = made once and kept
	CredentialPollInterval time.Duration // iam; a minute when 0
	Log                    *slog.Logger

	// Transport replaces the network (not Vault's) in tests.
	Transport http.RoundTripper

	mu    sync.Mutex
	last  fingerprint // of the last login's credentials
	nonce string      // made for Nonce
}

// Login implements auth.Method.
func (m *Method) Login(ctx context.Context) (*vault.Auth, error) {
	var body map[string]any
	var err error
	switch m.Type {
	case "iam":
		body, err = m.iam(ctx)
	case "ec2":
		body, err = m.ec2(ctx)
	default:
		err = fmt.Errorf("type %q is unknown: it is iam or ec2", m.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("aws: %w", err)
	}
	body["role"] = m.Role
	return m.Client.Login(ctx, m.MountPath+"/login", body)
}

// iam gives the signed request that Vault sends on to STS to learn whose it is.
func (m *Method) iam(ctx context.Context) (map[string]any, error) {
	f, err := m.find(ctx, m.exchangeToken)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.last = f.print
	m.mu.Unlock()
	r := callerIdentity(m.region(), m.HeaderValue)
	r.sign(f.credentials, time.Now())
	header, err := json.Marshal(r.header)
	if err != nil {
		return nil, err
	}
	b64 := base64.StdEncoding.EncodeToString
	return map[string]any{
		"iam_http_request_method": r.method,
		"iam_request_url":         b64([]byte(r.url())),
		"iam_request_body":        b64([]byte(r.body)),
		"iam_request_headers":     b64(header),
	}, nil
}

// ec2 gives the machine's identity document with Amazon's signature. The nonce
// ties the machine's later logins to this process.
func (m *Method) ec2(ctx context.Context) (map[string]any, error) {
	md, err := m.metadata(ctx)
	if err != nil {
		return nil, err
	}
	document, err := md.get(ctx, "dynamic/instance-identity/document")
	if err != nil {
		return nil, err
	}
	signature, err := md.get(ctx, "dynamic/instance-identity/signature")
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"identity":  base64.StdEncoding.EncodeToString(document),
		"signature": string(signature),
		"nonce":     m.keptNonce(),
	}, nil
}

func (m *Method) keptNonce() string {
	if m.Nonce != "" {
		return m.Nonce
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.nonce == "" {
		var b [16]byte
		_, _ = rand.Read(b[:]) // never fails
		b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
		m.nonce = fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	}
	return m.nonce
}

// Watch implements auth.Watcher: it looks for the credentials every
// CredentialPollInterval. Type ec2 has none.
func (m *Method) Watch(ctx context.Context, changed func()) {
	if m.Type != "iam" {
		<-ctx.Done()
		return
	}
	cloud.Poll(ctx, m.CredentialPollInterval, m.Log, "AWS", m.differs, changed)
}

// differs says whether the credentials are others than the last login's.
func (m *Method) differs(ctx context.Context) (bool, error) {
	f, err := m.find(ctx, tokenOnly)
	if err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return f.print != m.last, nil
}

func (m *Method) region() string {
	if m.Region == "" {
		return "us-east-1"
	}
	return m.Region
}

var errHalf = errors.New("access_key and secret_key belong together: only one of them is set")

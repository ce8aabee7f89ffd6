// Package vault is the program's only way to HashiCorp Vault: it logs in,
// reads, writes, renews and revokes over vault/api, classifies every error and
// keeps secrets in types that do not print themselves. It does not retry,
// sleep, log or hold state beyond the version of each KV mount.
package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/hashicorp/vault/api"

	"vault-renderer/renderer/internal/lease"
)

// Options says how the server is reached. Environment variables (VAULT_ADDR,
// VAULT_CACERT, VAULT_NAMESPACE ...) win over the fields, as in Vault Agent.
type Options struct {
	Address        string // "" = https://127.0.0.1:8200
	CACert         string
	CAPath         string
	ClientCert     string
	ClientKey      string
	TLSSkipVerify  bool
	TLSServerName  string
	Namespace      string // of reads
	AuthNamespace  string // of the login; "" = Namespace
	MaxConnections int    // concurrent Fetch calls; 10 when 0
	UserAgent      string

	// Transport replaces the network: tests in fake time call a handler directly.
	Transport http.RoundTripper
}

// Client is a connection to one Vault server. It is safe for concurrent use.
type Client struct {
	api     *api.Client // with the namespace of reads
	authAPI *api.Client // with the namespace of the login
	timeout time.Duration
	slots   chan struct{}
	mounts  mountCache
}

// New prepares a client; it does not contact the server. Its errors are
// mistakes in the options or the environment.
func New(o Options) (*Client, error) {
	cfg := api.DefaultConfig()
	if cfg.Error != nil {
		return nil, fmt.Errorf("vault environment variables: %w", cfg.Error)
	}
	// The agent never loops back to another agent.
	cfg.AgentAddress = ""
	cfg.MaxRetries = 0
	timeout := cfg.Timeout
	cfg.Timeout = 0 // ours: it ends with the answer instead of a minute later
	if _, set := os.LookupEnv(api.EnvVaultAddress); !set && o.Address != "" {
		cfg.Address = o.Address
	}
	if o.MaxConnections <= 0 {
		o.MaxConnections = 10
	}
	if o.Transport != nil {
		cfg.HttpClient = &http.Client{Transport: o.Transport}
	} else if err := configureTransport(cfg, o); err != nil {
		return nil, err
	}
	c, err := api.NewClient(cfg)
	if err != nil {
		return nil, fmt.Errorf("vault address %q: %w", cfg.Address, err)
	}
	c.ClearToken()
	if o.UserAgent != "" {
		c.AddHeader("User-Agent", o.UserAgent)
	}
	read, auth := namespaces(o)
	return &Client{
		api: c.WithNamespace(read), authAPI: c.WithNamespace(auth),
		timeout: timeout, slots: make(chan struct{}, o.MaxConnections),
	}, nil
}

// namespaces gives the namespace of reads and of the login: the environment
// wins over both, each falls back to the other.
func namespaces(o Options) (read, auth string) {
	if ns, set := os.LookupEnv(api.EnvVaultNamespace); set {
		return ns, ns
	}
	read, auth = o.Namespace, o.AuthNamespace
	if read == "" {
		read = auth
	}
	if auth == "" {
		auth = read
	}
	return read, auth
}

func configureTransport(cfg *api.Config, o Options) error {
	env := func(name, file string) string {
		if v, set := os.LookupEnv(name); set {
			return v
		}
		return file
	}
	skip := o.TLSSkipVerify
	if v, set := os.LookupEnv(api.EnvVaultSkipVerify); set {
		if b, err := strconv.ParseBool(v); err == nil {
			skip = b
		}
	}
	err := cfg.ConfigureTLS(&api.TLSConfig{
		CACert:        env(api.EnvVaultCACert, o.CACert),
		CACertBytes:   []byte(os.Getenv(api.EnvVaultCACertBytes)),
		CAPath:        env(api.EnvVaultCAPath, o.CAPath),
		ClientCert:    env(api.EnvVaultClientCert, o.ClientCert),
		ClientKey:     env(api.EnvVaultClientKey, o.ClientKey),
		TLSServerName: env(api.EnvVaultTLSServerName, o.TLSServerName),
		Insecure:      skip,
	})
	if err != nil {
		return fmt.Errorf("vault TLS settings: %w", err)
	}
	if t, ok := cfg.HttpClient.Transport.(*http.Transport); ok {
		t.MaxIdleConnsPerHost = o.MaxConnections + 2 // logins and renewals go beside the reads
		t.ResponseHeaderTimeout = 0
	}
	return nil
}

// Address is the server's address, as used.
func (c *Client) Address() string { return c.api.Address() }

// CloseIdleConnections ends connections that are not in use.
func (c *Client) CloseIdleConnections() {
	c.api.CloneConfig().HttpClient.CloseIdleConnections()
}

// call is one exchange. A 404 comes back as an error of class NotFound.
func (c *Client) call(ctx context.Context, via *api.Client, token Token, op, method, path string, params map[string][]string, body any) (*api.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	r := via.NewRequest(method, "/v1/"+path)
	r.ClientToken = token.Reveal()
	for k, v := range params {
		r.Params[k] = v
	}
	if body != nil {
		if err := r.SetJSONBody(body); err != nil {
			return nil, wrap(op, path, errors.New("the request's body can't be encoded"))
		}
	}
	//lint:ignore SA1019 the typed calls take the token and the time limit from the client, not from the call
	resp, err := via.RawRequestWithContext(ctx, r)
	if resp != nil {
		defer resp.Body.Close()
	}
	if err != nil {
		err = wrap(op, path, err)
		var ve *Error
		if resp != nil && errors.As(err, &ve) {
			ve.RetryAfter = retryAfter(resp.Header.Get("Retry-After"))
		}
		return nil, err
	}
	if resp.StatusCode == http.StatusNoContent {
		return nil, nil
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, &Error{Op: op, Path: path, Class: Transient, Detail: "the answer broke off: " + networkDetail(err)}
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil
	}
	s, err := api.ParseSecret(bytes.NewReader(raw))
	if err != nil {
		// The parser's words may quote the body: they are left out.
		return nil, &Error{Op: op, Path: path, Class: Transient, Detail: "the answer is no JSON secret"}
	}
	return s, nil
}

func retryAfter(h string) time.Duration {
	if s, err := strconv.Atoi(h); err == nil && s > 0 {
		return time.Duration(s) * time.Second
	}
	return 0
}

// Login logs in at path with body and gives the token that Vault made.
func (c *Client) Login(ctx context.Context, path string, body map[string]any) (*Auth, error) {
	asked := time.Now()
	s, err := c.call(ctx, c.authAPI, Token{}, "log in at", http.MethodPut, path, nil, body)
	if err != nil {
		return nil, err
	}
	if s == nil || s.Auth == nil {
		return nil, &Error{Op: "log in at", Path: path, Class: Invalid, Detail: "the answer holds no token"}
	}
	return authOf(s.Auth, asked), nil
}

// WrapLookup gives what Vault says of a wrapping token, without using it up.
func (c *Client) WrapLookup(ctx context.Context, t Token) (creationPath string, err error) {
	s, err := c.call(ctx, c.authAPI, t, "look up the wrapping token at", http.MethodPut, "sys/wrapping/lookup", nil, map[string]any{})
	if err != nil {
		return "", err
	}
	if s != nil {
		creationPath, _ = s.Data["creation_path"].(string)
	}
	return creationPath, nil
}

// Unwrap uses up a wrapping token and gives the data that it wrapped.
func (c *Client) Unwrap(ctx context.Context, t Token) (Data, error) {
	s, err := c.call(ctx, c.authAPI, t, "unwrap at", http.MethodPut, "sys/wrapping/unwrap", nil, map[string]any{})
	if err != nil {
		return Data{}, err
	}
	if s == nil {
		return Data{}, &Error{Op: "unwrap at", Path: "sys/wrapping/unwrap", Class: Invalid, Detail: "the answer is empty"}
	}
	return NewData(s.Data), nil
}

func authOf(a *api.SecretAuth, asked time.Time) *Auth {
	return &Auth{
		ClientToken: NewToken(a.ClientToken), Accessor: a.Accessor,
		Policies: a.TokenPolicies, Metadata: a.Metadata,
		TTL: lease.Lease{TTL: seconds(a.LeaseDuration), Renewable: a.Renewable, IssuedAt: asked},
	}
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

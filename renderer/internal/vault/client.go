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
	LoginWrapTTL   time.Duration // > 0: the answer to a login is wrapped; see Auth.Wrapped
	// Whose connections are not kept between requests, and who opens one for
	// every request.
	DisableIdle, DisableKeepAlives Traffic

	// Transport replaces the network: tests in fake time call a handler directly.
	Transport http.RoundTripper
}

// Traffic is a set of the kinds of requests.
type Traffic struct{ Auth, Templating bool }

// Client is a connection to one Vault server. It is safe for concurrent use.
type Client struct {
	o            Options
	api          *api.Client // with the namespace of reads
	authAPI      *api.Client // with the namespace of the login
	timeout      time.Duration
	loginWrapTTL time.Duration
	slots        chan struct{}
	mounts       mountCache
}

// New prepares a client; it does not contact the server. Its errors are
// mistakes in the options or the environment.
func New(o Options) (*Client, error) {
	if o.MaxConnections <= 0 {
		o.MaxConnections = 10
	}
	read, auth := namespaces(o)
	c := &Client{o: o, loginWrapTTL: o.LoginWrapTTL, slots: make(chan struct{}, o.MaxConnections)}
	base, timeout, err := newAPI(o, tlsOf(o), o.DisableIdle.Templating, o.DisableKeepAlives.Templating)
	if err != nil {
		return nil, err
	}
	c.timeout = timeout
	c.api, c.authAPI = base.WithNamespace(read), base.WithNamespace(auth)
	if o.DisableIdle.Auth != o.DisableIdle.Templating || o.DisableKeepAlives.Auth != o.DisableKeepAlives.Templating {
		own, _, err := newAPI(o, tlsOf(o), o.DisableIdle.Auth, o.DisableKeepAlives.Auth)
		if err != nil {
			return nil, err
		}
		c.authAPI = own.WithNamespace(auth)
	}
	return c, nil
}

// TLS are files that a login uses in place of the client's own.
type TLS struct{ CACert, ClientCert, ClientKey string }

// WithTLS gives a client to log in with that differs in its certificates only;
// an empty field keeps what the client has. The files are read now.
func (c *Client) WithTLS(t TLS) (*Client, error) {
	conf := tlsOf(c.o)
	if t.CACert != "" {
		conf.CACert, conf.CACertBytes, conf.CAPath = t.CACert, nil, ""
	}
	if t.ClientCert != "" {
		conf.ClientCert, conf.ClientKey = t.ClientCert, t.ClientKey
	}
	a, timeout, err := newAPI(c.o, conf, c.o.DisableIdle.Auth, c.o.DisableKeepAlives.Auth)
	if err != nil {
		return nil, err
	}
	_, auth := namespaces(c.o)
	return &Client{
		o: c.o, api: a.WithNamespace(auth), authAPI: a.WithNamespace(auth),
		timeout: timeout, loginWrapTTL: c.loginWrapTTL, slots: make(chan struct{}, 1),
	}, nil
}

// newAPI makes the client underneath.
func newAPI(o Options, tls *api.TLSConfig, noIdle, noKeepAlives bool) (*api.Client, time.Duration, error) {
	cfg := api.DefaultConfig()
	if cfg.Error != nil {
		return nil, 0, fmt.Errorf("vault environment variables: %w", cfg.Error)
	}
	cfg.MaxRetries = 0
	timeout := cfg.Timeout
	cfg.Timeout = 0 // ours: it ends with the answer instead of a minute later
	if _, set := os.LookupEnv(api.EnvVaultAddress); !set && o.Address != "" {
		cfg.Address = o.Address
	}
	if cfg.AgentAddress != "" { // VAULT_AGENT_ADDR: whoever sets it means it
		cfg.Address, cfg.AgentAddress = cfg.AgentAddress, ""
	}
	if o.Transport != nil {
		cfg.HttpClient = &http.Client{Transport: o.Transport}
	} else if err := configureTransport(cfg, o, tls, noIdle, noKeepAlives); err != nil {
		return nil, 0, err
	}
	c, err := api.NewClient(cfg)
	if err != nil {
		return nil, 0, fmt.Errorf("vault address %q: %w", cfg.Address, err)
	}
	c.ClearToken()
	if o.UserAgent != "" {
		c.AddHeader("User-Agent", o.UserAgent)
	}
	return c, timeout, nil
}

// namespaces gives the namespace of reads and of the login: the environment
// wins over both, each falls back to the other.
func namespaces(o Options) (read, auth string) {
	if ns := os.Getenv(api.EnvVaultNamespace); ns != "" {
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

// tlsOf gives the TLS settings: the environment wins over the options.
func tlsOf(o Options) *api.TLSConfig {
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
	return &api.TLSConfig{
		CACert:        env(api.EnvVaultCACert, o.CACert),
		CACertBytes:   []byte(os.Getenv(api.EnvVaultCACertBytes)),
		CAPath:        env(api.EnvVaultCAPath, o.CAPath),
		ClientCert:    env(api.EnvVaultClientCert, o.ClientCert),
		ClientKey:     env(api.EnvVaultClientKey, o.ClientKey),
		TLSServerName: env(api.EnvVaultTLSServerName, o.TLSServerName),
		Insecure:      skip,
	}
}

func configureTransport(cfg *api.Config, o Options, tls *api.TLSConfig, noIdle, noKeepAlives bool) error {
	if err := cfg.ConfigureTLS(tls); err != nil {
		return fmt.Errorf("vault TLS settings: %w", err)
	}
	if t, ok := cfg.HttpClient.Transport.(*http.Transport); ok {
		t.MaxIdleConnsPerHost = o.MaxConnections + 2 // logins and renewals go beside the reads
		t.ResponseHeaderTimeout = 0
		if noIdle {
			t.MaxIdleConnsPerHost = -1
		}
		t.DisableKeepAlives = noKeepAlives
	}
	return nil
}

// Address is the server's address, as used.
func (c *Client) Address() string { return c.api.Address() }

// CloseIdleConnections ends connections that are not in use.
func (c *Client) CloseIdleConnections() {
	c.api.CloneConfig().HttpClient.CloseIdleConnections()
	c.authAPI.CloneConfig().HttpClient.CloseIdleConnections()
}

// exchange is one request and what comes with it.
type exchange struct {
	via     *api.Client
	token   Token
	op      string // for people
	method  string
	path    string
	params  map[string][]string
	body    any
	header  http.Header
	wrapTTL time.Duration // > 0: the answer is wrapped
}

// call is an exchange without headers of its own.
func (c *Client) call(ctx context.Context, via *api.Client, token Token, op, method, path string, params map[string][]string, body any) (*api.Secret, error) {
	return c.exchange(ctx, exchange{via: via, token: token, op: op, method: method, path: path, params: params, body: body})
}

// exchange sends a request and reads the answer. A 404 comes back as an error
// of class NotFound.
func (c *Client) exchange(ctx context.Context, x exchange) (*api.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	op, path := x.op, x.path
	r := x.via.NewRequest(x.method, "/v1/"+path)
	r.ClientToken = x.token.Reveal()
	for k, v := range x.params {
		r.Params[k] = v
	}
	if len(x.header) > 0 && r.Headers == nil {
		r.Headers = http.Header{}
	}
	for k, v := range x.header {
		r.Headers[k] = v
	}
	if x.wrapTTL > 0 {
		r.WrapTTL = strconv.Itoa(int((x.wrapTTL+time.Second-1)/time.Second)) + "s"
	}
	if x.body != nil {
		if err := r.SetJSONBody(x.body); err != nil {
			return nil, wrap(op, path, errors.New("the request's body can't be encoded"))
		}
	}
	//lint:ignore SA1019 the typed calls take the token and the time limit from the client, not from the call
	resp, err := x.via.RawRequestWithContext(ctx, r)
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

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

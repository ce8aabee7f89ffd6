package vaultserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/vault/api"

	"vault-renderer/testbed/port"
)

// Options of a server.
type Options struct {
	Binary string    // path of the server; "" = Binary(ctx, BinaryOptions{Progress: Log})
	Dir    string    // private directory for data, keys and configuration; must be given
	Log    io.Writer // the server's log; nil: kept in Dir/vault.log only

	Port         int           // 0 = a free one
	DefaultTTL   time.Duration // default_lease_ttl; 0 = 168h
	MaxTTL       time.Duration // max_lease_ttl; 0 = 720h
	LogLevel     string        // default "warn"
	StartTimeout time.Duration // 0 = one minute

	// TLSCert and TLSKey, both paths, add a listener with TLS: see TLSAddr. It
	// asks clients for a certificate and takes those without one too.
	TLSCert, TLSKey string
}

// Server is a running (or killed) Vault server. Its methods must not be called
// at the same time, except the getters.
type Server struct {
	o           Options
	port        int
	clusterPort int
	tlsPort     int
	keys        keys

	mu   sync.Mutex
	proc *process
	log  *os.File
}

// keys is the content of Dir/keys.json.
type keys struct {
	Unseal    []string `json:"unseal_keys"`
	RootToken string   `json:"root_token"`
}

// Start starts a server, initialises it when its directory is new, and returns
// when it is unsealed and active.
func Start(ctx context.Context, o Options) (*Server, error) {
	s, err := prepare(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("vault server: %w", err)
	}
	for attempt := 1; ; attempt++ {
		err = s.tryStart(ctx)
		if err == nil {
			return s, nil
		}
		s.Kill()
		// Somebody may take the free port between our look and the listen.
		if o.Port != 0 || attempt == 3 || ctx.Err() != nil || !errors.Is(err, errExited) {
			s.closeLog()
			return nil, fmt.Errorf("vault server: %w", err)
		}
		s.port, s.clusterPort, s.tlsPort = 0, 0, 0
	}
}

func prepare(ctx context.Context, o Options) (*Server, error) {
	if o.Dir == "" {
		return nil, errors.New("no directory given")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = dir
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		return nil, err
	}
	if o.Binary == "" {
		if o.Binary, err = Binary(ctx, BinaryOptions{Progress: o.Log}); err != nil {
			return nil, err
		}
	}
	o.DefaultTTL = orDefault(o.DefaultTTL, 168*time.Hour)
	o.MaxTTL = orDefault(o.MaxTTL, 720*time.Hour)
	o.StartTimeout = orDefault(o.StartTimeout, time.Minute)
	if o.LogLevel == "" {
		o.LogLevel = "warn"
	}
	s := &Server{o: o, port: o.Port}
	s.log, err = os.OpenFile(filepath.Join(dir, "vault.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return s, err
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

func (s *Server) tryStart(ctx context.Context) error {
	for _, p := range []*int{&s.port, &s.clusterPort, &s.tlsPort} {
		if *p != 0 {
			continue
		}
		var err error
		if *p, err = port.Free(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.StartTimeout)
	defer cancel()
	if err := s.launch(ctx); err != nil {
		return err
	}
	if err := s.ensureInit(ctx); err != nil {
		return err
	}
	return s.Unseal(ctx)
}

const configText = `# Written anew at each start.
storage "file" {
  path = %q
}
listener "tcp" {
  address         = "127.0.0.1:%d"
  cluster_address = "127.0.0.1:%d"
  tls_disable     = true
}
api_addr          = "http://127.0.0.1:%[2]d"
cluster_addr      = "https://127.0.0.1:%[3]d"
disable_mlock     = true
ui                = false
default_lease_ttl = %[4]q
max_lease_ttl     = %[5]q
log_level         = %[6]q
`

const tlsText = `listener "tcp" {
  address       = "127.0.0.1:%d"
  tls_cert_file = %q
  tls_key_file  = %q
}
`

// launch starts the process and waits until its API answers.
func (s *Server) launch(ctx context.Context) error {
	conf := filepath.Join(s.o.Dir, "config.hcl")
	text := fmt.Sprintf(configText, filepath.Join(s.o.Dir, "data"), s.port, s.clusterPort,
		s.o.DefaultTTL.String(), s.o.MaxTTL.String(), s.o.LogLevel)
	if s.o.TLSCert != "" {
		text += fmt.Sprintf(tlsText, s.tlsPort, s.o.TLSCert, s.o.TLSKey)
	}
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	last := &tailBuffer{}
	out := io.MultiWriter(s.log, last)
	if s.o.Log != nil {
		out = io.MultiWriter(s.log, last, s.o.Log)
	}
	p, err := startProcess(s.o.Binary, []string{"server", "-config=" + conf}, cleanEnv(s.o.Dir), s.o.Dir, out)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.proc = p
	s.mu.Unlock()
	err = s.poll(ctx, func(ctx context.Context, c *api.Client) (bool, error) {
		_, err := c.Sys().SealStatusWithContext(ctx)
		return err == nil, err
	})
	if errors.Is(err, errExited) {
		return fmt.Errorf("%w: %s", err, last)
	}
	return err
}

// cleanEnv keeps the caller's Vault settings away from the server.
func cleanEnv(home string) []string {
	env := []string{"HOME=" + home}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "VAULT_") && !strings.HasPrefix(kv, "BAO_") && !strings.HasPrefix(kv, "HOME=") {
			env = append(env, kv)
		}
	}
	return env
}

// poll calls ready until it says yes; its last error explains a timeout.
func (s *Server) poll(ctx context.Context, ready func(context.Context, *api.Client) (bool, error)) error {
	c, p := s.Client(), s.process()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := ready(ctx, c)
		if ok {
			return nil
		}
		select {
		case <-p.done:
			return errExited
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

func (s *Server) process() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc
}

// ensureInit initialises a new storage and keeps its keys in Dir/keys.json.
func (s *Server) ensureInit(ctx context.Context) error {
	path := filepath.Join(s.o.Dir, "keys.json")
	done, err := s.Client().Sys().InitStatusWithContext(ctx)
	if err != nil {
		return fmt.Errorf("init status: %w", err)
	}
	if done {
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the storage is initialised but its keys are gone: %w", err)
		} else if err != nil {
			return err
		}
		return json.Unmarshal(b, &s.keys)
	}
	r, err := s.Client().Sys().InitWithContext(ctx, &api.InitRequest{SecretShares: 1, SecretThreshold: 1})
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	s.keys = keys{Unseal: r.KeysB64, RootToken: r.RootToken}
	b, err := json.Marshal(s.keys)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".tmp", b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// Addr is the server's URL, http://127.0.0.1:port.
func (s *Server) Addr() string { return fmt.Sprintf("http://127.0.0.1:%d", s.port) }

// TLSAddr is the URL of the listener with TLS, if Options asked for one.
func (s *Server) TLSAddr() string { return fmt.Sprintf("https://127.0.0.1:%d", s.tlsPort) }

// RootToken is the token made at initialisation.
func (s *Server) RootToken() string { return s.keys.RootToken }

// Binary is the path of the server's program.
func (s *Server) Binary() string { return s.o.Binary }

// Pid is the process id of the last start.
func (s *Server) Pid() int { return s.process().cmd.Process.Pid }

// AuditLog is a path in the server's directory for an audit device. Nothing is
// written there until a file audit device is enabled.
func (s *Server) AuditLog() string { return filepath.Join(s.o.Dir, "audit.log") }

// Client returns a new client with the root token that never retries.
func (s *Server) Client() *api.Client {
	conf := api.DefaultConfig()
	conf.Address = s.Addr()
	conf.AgentAddress = ""
	conf.MaxRetries = 0
	c, err := api.NewClient(conf)
	if err != nil {
		panic("vaultserver: client for a loopback address: " + err.Error())
	}
	c.SetToken(s.keys.RootToken)
	c.ClearNamespace()
	return c
}

// Seal seals the server: it then answers 503 to nearly everything.
func (s *Server) Seal(ctx context.Context) error {
	if err := s.Client().Sys().SealWithContext(ctx); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	return nil
}

// Unseal unseals the server and waits until it is active.
func (s *Server) Unseal(ctx context.Context) error {
	c := s.Client()
	for _, k := range s.keys.Unseal {
		st, err := c.Sys().UnsealWithContext(ctx, k)
		if err != nil {
			return fmt.Errorf("unseal: %w", err)
		}
		if !st.Sealed {
			break
		}
	}
	err := s.poll(ctx, func(ctx context.Context, c *api.Client) (bool, error) {
		h, err := c.Sys().HealthWithContext(ctx)
		return err == nil && h.Initialized && !h.Sealed && !h.Standby, err
	})
	if err != nil {
		return fmt.Errorf("unseal: %w", err)
	}
	return nil
}

// Kill ends the server as a crash would and waits until it is gone.
func (s *Server) Kill() {
	if p := s.process(); p != nil {
		p.stop(syscall.SIGKILL, time.Minute)
	}
}

// Stop ends the server politely (TERM, KILL after ten seconds) and waits.
func (s *Server) Stop() error {
	if p := s.process(); p != nil {
		p.stop(syscall.SIGTERM, 10*time.Second)
	}
	return s.closeLog()
}

func (s *Server) closeLog() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log == nil {
		return nil
	}
	err := s.log.Close()
	s.log = nil
	return err
}

// Restart stops the server if it runs, and starts it again on the same port
// with the same data, unsealed.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Stop(); err != nil {
		return fmt.Errorf("restart vault: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(s.o.Dir, "vault.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("restart vault: %w", err)
	}
	s.mu.Lock()
	s.log = log
	s.mu.Unlock()
	if err := s.tryStart(ctx); err != nil {
		s.Kill()
		return fmt.Errorf("restart vault: %w", err)
	}
	return nil
}

// tailBuffer keeps the end of the output for error messages.
type tailBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *tailBuffer) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b.Write(p)
	if n := t.b.Len() - 2000; n > 0 {
		t.b.Next(n)
	}
	return len(p), nil
}

func (t *tailBuffer) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(t.b.String())
}

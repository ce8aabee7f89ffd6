package method

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"vault-renderer/renderer/internal/vault"
)

// Cert is the cert method. Without files of its own it shows Vault the
// certificate of the vault stanza.
type Cert struct {
	Client                        *vault.Client
	MountPath                     string // "auth/cert"
	Name                          string // of the role; "" = Vault chooses
	CACert, ClientCert, ClientKey string
	Reload                        bool // the files are read again at every login
	ReloadPeriod                  time.Duration
	Log                           *slog.Logger

	mu   sync.Mutex    // a Watch looks while a Login loads
	own  *vault.Client // nil until the files were read
	seen string        // fingerprint of the files as they were then
}

// Login implements Method.
func (m *Cert) Login(ctx context.Context) (*vault.Auth, error) {
	c, err := m.client()
	if err != nil {
		return nil, err
	}
	body := map[string]any{}
	if m.Name != "" {
		body["name"] = m.Name
	}
	return c.Login(ctx, m.MountPath+"/login", body)
}

// client gives the client that shows the right certificate.
func (m *Cert) client() (*vault.Client, error) {
	if !m.hasOwn() {
		return m.Client, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.own != nil && !m.Reload {
		return m.own, nil
	}
	// Before the files are read: what changes meanwhile is seen by Watch.
	seen, _ := m.fingerprint()
	c, err := m.Client.WithTLS(vault.TLS{CACert: m.CACert, ClientCert: m.ClientCert, ClientKey: m.ClientKey})
	if err != nil {
		return nil, fmt.Errorf("files of the cert method: %w", err)
	}
	if m.own != nil {
		m.own.CloseIdleConnections() // they show the old certificate
	}
	m.own, m.seen = c, seen
	return c, nil
}

// hasOwn says whether the login has files of its own; half a pair alone does
// not count.
func (m *Cert) hasOwn() bool { return m.CACert != "" || (m.ClientCert != "" && m.ClientKey != "") }

// Watch implements Watcher.
func (m *Cert) Watch(ctx context.Context, changed func()) {
	if !m.Reload || !m.hasOwn() {
		<-ctx.Done()
		return
	}
	poll(ctx, m.ReloadPeriod, false, m.fingerprint, func() string {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.seen
	}, changed)
}

// fingerprint is made of all the files. It is not ok while one is missing or
// certificate and key do not fit: they are being replaced.
func (m *Cert) fingerprint() (sum string, ok bool) {
	h := sha256.New()
	contents := map[string][]byte{}
	for _, path := range []string{m.CACert, m.ClientCert, m.ClientKey} {
		if path == "" {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return "", false
		}
		part := sha256.Sum256(b)
		h.Write(part[:])
		contents[path] = b
	}
	if m.ClientCert != "" && m.ClientKey != "" {
		if _, err := tls.X509KeyPair(contents[m.ClientCert], contents[m.ClientKey]); err != nil {
			return "", false
		}
	}
	return string(h.Sum(nil)), true
}

package legacy

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"vault-renderer/testbed/bootstrap"
	"vault-renderer/testbed/mariadb"
	"vault-renderer/testbed/pki"
	"vault-renderer/testbed/vaultserver"
)

// world is what all hosts share: the servers and the programs.
type world struct {
	dir         string // on tmpfs where there is one
	server      *vaultserver.Server
	address     string // of its listener with TLS
	root        *api.Client
	ca          *pki.Authority
	vault       string // Vault's binary
	renderer    string // ours
	hostCert    string // of the machine that all hosts are
	hostKey     string
	user, group string // accounts of this machine that files may be given to
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp(tmpfsDir(), "vault-renderer-legacy-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &world{dir: dir, renderer: filepath.Join(dir, "vault-renderer")}
	w.accounts()
	built := make(chan error, 1)
	go func() {
		out, err := exec.Command("go", "build", "-o", w.renderer, "vault-renderer/renderer").CombinedOutput()
		if err != nil {
			err = fmt.Errorf("build vault-renderer: %w\n%s", err, out)
		}
		built <- err
	}()
	db, err := mariadb.Start(t.Context(), mariadb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Stop(); err != nil {
			t.Error(err)
		}
	})
	for _, err := range []error{w.startVault(t), w.prepare(t, db), <-built} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// tmpfsDir is where secrets may lie.
func tmpfsDir() string {
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		return "/dev/shm"
	}
	return ""
}

// accounts chooses whom files can be given to: somebody else, when we are root.
func (w *world) accounts() {
	w.user, w.group = fmt.Sprint(os.Getuid()), fmt.Sprint(os.Getgid())
	if os.Getuid() == 0 {
		w.user, w.group = "daemon", "bin" // on every Debian
	}
}

func (w *world) startVault(t *testing.T) (err error) {
	if w.vault, err = vaultserver.Binary(t.Context(), vaultserver.BinaryOptions{Progress: os.Stderr}); err != nil {
		return err
	}
	if w.ca, err = pki.New("ca"); err != nil {
		return err
	}
	cert, key := filepath.Join(w.dir, "server.pem"), filepath.Join(w.dir, "server.key")
	if err := w.issue("server", cert, key); err != nil {
		return err
	}
	if w.hostCert, w.hostKey, err = w.ca.Issue("host"); err != nil {
		return err
	}
	w.server, err = vaultserver.Start(t.Context(), vaultserver.Options{
		Binary: w.vault, Dir: filepath.Join(w.dir, "vault"), TLSCert: cert, TLSKey: key,
	})
	if err != nil {
		return err
	}
	t.Cleanup(func() {
		if err := w.server.Stop(); err != nil {
			t.Error(err)
		}
	})
	w.root, w.address = w.server.Client(), w.server.TLSAddr()
	return nil
}

// issue writes a certificate and its key.
func (w *world) issue(name, certFile, keyFile string) error {
	cert, key, err := w.ca.Issue(name)
	if err != nil {
		return err
	}
	if err := os.WriteFile(certFile, []byte(cert), 0o644); err != nil {
		return err
	}
	return os.WriteFile(keyFile, []byte(key), 0o600)
}

const policy = `
path "secret/data/notes/*"       { capabilities = ["read"] }
path "secret/metadata/notes"     { capabilities = ["list"] }
path "secret/metadata/notes/"    { capabilities = ["list"] }
path "database/creds/mysql-role" { capabilities = ["read"] }
`

// prepare gives Vault what the sets read and log in with.
func (w *world) prepare(t *testing.T, db *mariadb.Server) error {
	if w.root == nil {
		return nil // it did not start
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := bootstrap.Run(ctx, bootstrap.Options{
		Client: w.root, MySQLAddr: db.Addr(), MySQLRootUser: "root", MySQLRootPassword: db.RootPassword(),
	})
	if err != nil {
		return err
	}
	if err := w.root.Sys().PutPolicyWithContext(ctx, "notes", policy); err != nil {
		return err
	}
	err = w.root.Sys().MountWithContext(ctx, "secret", &api.MountInput{Type: "kv", Options: map[string]string{"version": "2"}})
	if err != nil {
		return err
	}
	for _, kind := range []string{"cert", "kubernetes"} {
		if err := w.root.Sys().EnableAuthWithOptionsWithContext(ctx, kind, &api.EnableAuthOptions{Type: kind}); err != nil {
			return err
		}
	}
	return w.write(ctx, tokenReview(t))
}

// write waits where a new KV mount still upgrades itself.
func (w *world) write(ctx context.Context, kubernetes string) error {
	login := func(more map[string]any) map[string]any {
		more["token_policies"], more["token_ttl"] = "notes", "20m"
		return more
	}
	for path, data := range map[string]map[string]any{
		"secret/data/notes/api": {"data": map[string]any{
			"url": "https://api.example.com/v1", "key": "canary-k&y<1>", "scopes": []string{"read", "write"},
			"headers": map[string]any{"x-tenant": "notes", "x-token": "canary-header"},
		}},
		"secret/data/notes/tls":        {"data": map[string]any{"certificate": "canary certificate\n", "key": "canary-private-key\n"}},
		"auth/approle/role/notes-host": login(map[string]any{}),
		"auth/cert/certs/notes-host":   login(map[string]any{"certificate": w.ca.Cert}),
		"auth/kubernetes/config":       {"kubernetes_host": kubernetes, "token_reviewer_jwt": serviceAccount("reviewer"), "disable_local_ca_jwt": true},
		"auth/kubernetes/role/notes":   login(map[string]any{"bound_service_account_names": "notes", "bound_service_account_namespaces": "default"}),
	} {
		err := await(ctx, nil, func() error {
			_, err := w.root.Logical().WriteWithContext(ctx, path, data)
			return err
		})
		if err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return nil
}

// tokenReview answers as Kubernetes does for the service account "notes".
func tokenReview(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(rw).Encode(map[string]any{
			"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
			"status": map[string]any{
				"authenticated": true,
				"user":          map[string]any{"username": "system:serviceaccount:default:notes", "uid": "3a1f"},
			},
		})
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// serviceAccount is a token that only tokenReview takes: nobody signed it.
func serviceAccount(name string) string {
	enc := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"sub":"system:serviceaccount:default:%[1]s","iat":%[2]d,"exp":%[3]d,
		"kubernetes.io":{"namespace":"default","serviceaccount":{"name":%[1]q,"uid":"3a1f"}}}`,
		name, time.Now().Unix(), time.Now().Add(time.Hour).Unix())
	return enc([]byte(`{"alg":"ES256","typ":"JWT"}`)) + "." + enc([]byte(claims)) + "." + enc(make([]byte, 64))
}

// read gives one field of what Vault answers; with a wrap TTL the wrapping token.
func (w *world) read(method, path, field, wrapTTL string) (string, error) {
	c := w.server.Client()
	call := c.Logical().Read
	if method == "write" {
		call = func(path string) (*api.Secret, error) { return c.Logical().Write(path, nil) }
	}
	if wrapTTL != "" {
		c.SetWrappingLookupFunc(func(string, string) string { return wrapTTL })
	}
	s, err := call(path)
	switch {
	case err != nil:
		return "", err
	case s == nil:
		return "", fmt.Errorf("%s: nothing", path)
	case s.WrapInfo != nil:
		return s.WrapInfo.Token, nil
	}
	v, ok := s.Data[field].(string)
	if !ok {
		return "", fmt.Errorf("%s has no %s", path, field)
	}
	return strings.TrimSpace(v), nil
}

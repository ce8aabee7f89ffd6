package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/hcl/v2"

	"vault-renderer/renderer/internal/config"
	"vault-renderer/testbed/capture"
	"vault-renderer/testbed/devvault"
)

// world is an agent in a bubble, with a development Vault that it reaches
// without sockets. All time in it is fake.
type world struct {
	t     *testing.T
	vault *devvault.Server
	db    *devvault.Memory
	dir   string
	cfg   *config.Config
	log   *capture.Buffer
	agent *Agent
	end   context.CancelFunc
	done  chan error
	load  func() (*config.Config, hcl.Diagnostics)
	after []func() // run at the end of the test
}

// bubble runs f in fake time with a prepared Vault: AppRole "app" whose tokens
// live as ttl and max say, a database role "app", KV mounts "kv1" and "kv".
func bubble(t *testing.T, o setup, f func(w *world)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir)
		defer w.vault.Close()
		defer func() {
			for _, f := range w.after {
				f()
			}
		}()
		w.prepare(o)
		f(w)
		w.stop()
		if text := w.log.String(); strings.Contains(text, "canary-") {
			t.Errorf("a secret in the log:\n%s", text)
		}
	})
}

func newWorld(t *testing.T, dir string) *world {
	db := &devvault.Memory{}
	return &world{t: t, vault: devvault.New(devvault.Options{Database: db}), db: db, dir: dir, log: &capture.Buffer{}}
}

type setup struct{ tokenTTL, tokenMax, leaseTTL, leaseMax string }

func (w *world) prepare(o setup) {
	def := func(s, d string) string {
		if s == "" {
			return d
		}
		return s
	}
	w.put("sys/mounts/database", map[string]any{"type": "database"})
	w.put("sys/mounts/kv1", map[string]any{"type": "kv", "options": map[string]any{"version": "1"}})
	w.put("sys/mounts/kv", map[string]any{"type": "kv", "options": map[string]any{"version": "2"}})
	w.put("sys/auth/approle", map[string]any{"type": "approle"})
	w.put("database/config/db", map[string]any{
		"plugin_name": "mysql-database-plugin", "connection_url": "{{username}}:{{password}}@tcp(db:3306)/",
		"allowed_roles": "*", "username": "admin", "password": "canary-admin",
	})
	w.put("database/roles/app", map[string]any{
		"db_name": "db", "creation_statements": "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'",
		"default_ttl": def(o.leaseTTL, "1m"), "max_ttl": def(o.leaseMax, "5m"),
	})
	w.put("sys/policies/acl/app", map[string]any{"policy": `
path "database/creds/app" { capabilities = ["read"] }
path "kv/data/app/*" { capabilities = ["read", "create", "update"] }
path "kv1/app/*" { capabilities = ["read"] }`})
	w.put("auth/approle/role/app", map[string]any{
		"token_policies": "app", "token_ttl": def(o.tokenTTL, "1h"), "token_max_ttl": def(o.tokenMax, "24h"),
	})
	role := w.get("auth/approle/role/app/role-id")["role_id"].(string)
	w.write("role_id", role)
	w.write("secret_id", w.put("auth/approle/role/app/secret-id", nil)["secret_id"].(string))
	w.cfg = &config.Config{
		TmpfsPolicy: config.TmpfsOff, Files: map[string]*hcl.File{},
		Vault: config.Vault{Address: "http://vault", NumRetries: 12},
		AutoAuth: &config.AutoAuth{Method: config.Method{
			Type: "approle", MountPath: "auth/approle", MinBackoff: time.Second, MaxBackoff: 5 * time.Minute,
			AppRole: &config.AppRole{RoleIDFilePath: w.path("role_id"), SecretIDFilePath: w.path("secret_id")},
		}},
		TemplateConfig: config.TemplateConfig{StaticSecretRenderInterval: 5 * time.Minute, MaxConnectionsPerHost: 10, LeaseRenewalThreshold: 0.9},
	}
}

// template adds a template to the configuration. Its destination is name.
func (w *world) template(name, contents string) *config.Template {
	w.cfg.Templates = append(w.cfg.Templates, config.Template{
		Name: name, Contents: contents, Destination: w.path(name), CreateDestDirs: true, ErrorFatal: true,
		Perms: 0o600, Tmpfs: config.TmpfsOff,
		ContentsRange: hcl.Range{Filename: "config.hcl", Start: hcl.Pos{Line: 10, Column: 1}},
	})
	return &w.cfg.Templates[len(w.cfg.Templates)-1]
}

const dbTemplate = `{{ with secret "database/creds/app" }}{{ .Data.username }} {{ .Data.password }}{{ end }}`

func (w *world) start() {
	w.t.Helper()
	a, diags := New(w.options())
	if diags.HasErrors() {
		w.t.Fatal(diags)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	w.agent, w.end, w.done = a, cancel, make(chan error, 1)
	go func() { w.done <- a.Run(ctx) }()
}

func (w *world) options() Options {
	return Options{
		Config: w.cfg, Load: w.load, Rand: func() float64 { return 0.5 },
		Log:       slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Transport: w.vault.Transport(), Stdout: os.Stdout, Stderr: os.Stderr,
	}
}

// same is a reload of the configuration that runs already.
func (w *world) same() (*config.Config, hcl.Diagnostics) {
	c := *w.cfg
	return &c, nil
}

// stop ends the agent and gives what Run returned.
func (w *world) stop() error {
	if w.end == nil {
		return nil
	}
	w.end()
	w.end = nil
	return <-w.done
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name, content string) {
	w.t.Helper()
	if err := os.WriteFile(w.path(name), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// file gives a destination's content; "" when it is not there.
func (w *world) file(name string) string {
	b, err := os.ReadFile(w.path(name))
	if err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	return string(b)
}

func (w *world) put(path string, body map[string]any) map[string]any {
	return w.call(http.MethodPut, path, body)
}
func (w *world) get(path string) map[string]any { return w.call(http.MethodGet, path, nil) }

// as writes to path with a token of its own.
func (w *world) as(token, path string) map[string]any {
	return w.callAs(token, http.MethodPut, path, nil)
}

// call asks the Vault as root and gives the answer's data.
func (w *world) call(method, path string, body map[string]any) map[string]any {
	return w.callAs(w.vault.RootToken(), method, path, body)
}

func (w *world) callAs(token, method, path string, body map[string]any) map[string]any {
	w.t.Helper()
	var rd io.Reader
	if body != nil {
		b, _ := json.Marshal(body)
		rd = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, "http://vault/v1/"+path, rd)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("X-Vault-Token", token)
	resp, err := w.vault.Transport().RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	if resp.StatusCode >= 300 {
		w.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, raw)
	}
	var out struct{ Data map[string]any }
	_ = json.Unmarshal(raw, &out)
	return out.Data
}

// asked counts the requests whose path has this part since the last reset.
func (w *world) asked(part string) int {
	n := 0
	for _, r := range w.vault.Requests() {
		if strings.Contains(r, part) {
			n++
		}
	}
	return n
}

// alive says whether the credentials in the file log in to the database.
func (w *world) alive(name string) bool {
	user, password, ok := strings.Cut(w.file(name), " ")
	return ok && w.db.Login(user, password)
}

// logged says how many lines of the log hold all the parts.
func (w *world) logged(parts ...string) int {
	n := 0
	for line := range strings.Lines(w.log.String()) {
		if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(line, p) }) {
			n++
		}
	}
	return n
}

type hclDiagnostics = hcl.Diagnostics

// wrapped asks for path response-wrapped and gives the wrapping token.
func (w *world) wrapped(path string) string {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPut, "http://vault/v1/"+path, strings.NewReader(`{"secret_id":"x"}`))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("X-Vault-Token", w.vault.RootToken())
	r.Header.Set("X-Vault-Wrap-TTL", "1h")
	if !strings.HasPrefix(path, "sys/") {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	resp, err := w.vault.Transport().RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out struct {
		WrapInfo struct{ Token string } `json:"wrap_info"`
	}
	raw, _ := io.ReadAll(resp.Body)
	if err := json.Unmarshal(raw, &out); err != nil || out.WrapInfo.Token == "" {
		w.t.Fatalf("wrap %s: %s", path, raw)
	}
	return out.WrapInfo.Token
}

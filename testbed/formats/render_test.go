package formats

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vault-renderer/testbed/devvault"
)

// templates is the folder under test.
const templates = "../../templates"

// The values that the templates meet: oneLine has nothing that an INI file or docker cuts,
// password has blanks at its ends and several lines too.
const (
	user     = "canary-v-app é%u"
	oneLine  = "canary-p#w;d%'\"`\\n\\ $HOME ${x} = {{ y }} & <b> : / ? @ [s] é日😀 !*~|^\\"
	password = " \t" + oneLine + "\nsecond = line # \n'\" "
)

// application is secret/data/app. The names of its keys are the variables' names.
func application() map[string]any {
	return map[string]any{"api_token": oneLine, "password": "  a\nb'\"\\$`#; ", "plain": "abc", "empty": "", "number": "007"}
}

// world is a Vault in which the templates find what they ask for.
type world struct {
	dir      string // of rendered files
	renderer string
	addr     string
	token    string
	ca       hostCA
}

// TestMain builds the program once.
func TestMain(m *testing.M) {
	code, err := withRenderer(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "formats:", err)
		code = 1
	}
	os.Exit(code)
}

// binaryEnv tells the tests where the program is.
const binaryEnv = "FORMATS_TEST_RENDERER"

func withRenderer(run func() int) (int, error) {
	dir, err := os.MkdirTemp("", "vault-renderer-formats-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "vault-renderer")
	if out, err := exec.Command("go", "build", "-o", binary, "vault-renderer/renderer").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build: %w\n%s", err, out)
	}
	if err := os.Setenv(binaryEnv, binary); err != nil {
		return 1, err
	}
	return run(), nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s := devvault.New(devvault.Options{})
	t.Cleanup(s.Close)
	w := &world{dir: t.TempDir(), renderer: os.Getenv(binaryEnv), token: s.RootToken(), ca: newHostCA(t)}
	server := httptest.NewServer(w.handler(s))
	t.Cleanup(server.Close)
	w.addr = server.URL
	w.write(t, "sys/mounts/secret", map[string]any{"type": "kv", "options": map[string]any{"version": "2"}})
	w.write(t, "secret/data/app", map[string]any{"data": application()})
	w.write(t, "sys/mounts/pki", map[string]any{"type": "pki"})
	w.write(t, path.Join("pki", "root", "generate", "internal"), map[string]any{"common_name": "canary root", "ttl": "720h"})
	w.write(t, "pki/roles/web", map[string]any{"allowed_domains": "example.com", "allow_subdomains": true, "max_ttl": "72h"})
	return w
}

// handler answers for the engines that devvault lacks, and gives accounts
// worse names and passwords than an engine would.
func (w *world) handler(next http.Handler) http.Handler {
	account := leased(map[string]any{"username": user, "password": password})
	mux := http.NewServeMux()
	mux.Handle("GET /v1/database/creds/app", account)
	mux.Handle("GET /v1/database/creds/mysql-role", leased(map[string]any{"username": user, "password": oneLine}))
	mux.Handle("GET /v1/aws/creds/deploy", leased(map[string]any{
		"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "canary+wJalrXUtnFEMI/K7MDENG==", "session_token": "canary+FwoG/XIv==",
	}))
	mux.HandleFunc("PUT /v1/ssh/sign/host", w.ca.sign)
	mux.HandleFunc("GET /v1/ssh/config/ca", w.ca.publicKey)
	mux.Handle("/", next)
	return mux
}

// leased answers with a secret that has a lease.
func leased(data map[string]any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"lease_id": "canary/lease/1", "lease_duration": 3600, "renewable": true, "data": data})
	})
}

func answer(w http.ResponseWriter, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the reader notices
}

func (w *world) write(t *testing.T, to string, body map[string]any) {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, w.addr+"/v1/"+to, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Vault-Token", w.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		t.Fatalf("%s: %s", to, resp.Status)
	}
}

// block is a template of the configuration.
type block struct{ source, contents, file string }

// render runs the program once and gives what it says.
func (w *world) render(t *testing.T, env []string, blocks ...block) (string, error) {
	t.Helper()
	tokenFile := filepath.Join(w.dir, "token")
	if err := os.WriteFile(tokenFile, []byte(w.token), 0o600); err != nil {
		t.Fatal(err)
	}
	var hcl strings.Builder
	fmt.Fprintf(&hcl, "exit_after_auth = true\nvault {\n  address = %q\n  retry {\n    num_retries = -1\n  }\n}\n", w.addr)
	fmt.Fprintf(&hcl, "template_config {\n  exit_on_retry_failure = true\n}\n")
	fmt.Fprintf(&hcl, "auto_auth {\n  method \"token_file\" {\n    config = {\n      token_file_path = %q\n    }\n  }\n}\n", tokenFile)
	for _, b := range blocks {
		from := fmt.Sprintf("source = %q", b.source)
		if b.source == "" {
			from = "contents = <<EOT\n" + b.contents + "\nEOT"
		}
		fmt.Fprintf(&hcl, "template {\n  %s\n  destination = %q\n  perms = 0600\n  error_on_missing_key = true\n}\n", from, filepath.Join(w.dir, b.file))
	}
	config := filepath.Join(w.dir, "agent.hcl")
	if err := os.WriteFile(config, []byte(hcl.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.renderer, "agent", "-config="+config)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir}, env...)
	out, err := cmd.CombinedOutput()
	if bytes.Contains(out, []byte("canary")) {
		t.Errorf("the log tells a secret:\n%s", out)
	}
	return string(out), err
}

// file gives what a template of the folder makes.
func (w *world) file(t *testing.T, name string, env ...string) []byte {
	t.Helper()
	source, err := filepath.Abs(filepath.Join(templates, name))
	if err != nil {
		t.Fatal(err)
	}
	to := strings.TrimSuffix(name, ".tmpl")
	if out, err := w.render(t, env, block{source: source, file: to}); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	raw, err := os.ReadFile(filepath.Join(w.dir, to))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

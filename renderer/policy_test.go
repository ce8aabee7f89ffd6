package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vault-renderer/testbed/devvault"
	"vault-renderer/testbed/vaultserver"
)

// least are templates that ask for something of every kind.
const least = `
tmpfs = "off"
vault { address = "$VAULT" }
auto_auth {
  method "token_file" {
    config = { token_file_path = "$TOKEN" }
  }
}
template "kv" {
  destination = "kv"
  contents    = <<EOT
{{ with secret "kv/app/a" }}{{ .Data.data.password }}{{ end }}
{{ with secret "kv/data/app/b" }}{{ .Data.data.password }}{{ end }}
{{ range secrets "kv/list" }}{{ with secret (printf "kv/list/%s" .) }}{{ .Data.data.password }}{{ end }}{{ end }}
{{ with secret "kv1/app" }}{{ .Data.password }}{{ end }}{{ range secrets "kv1/" }}{{ . }}{{ end }}
{{ secret "kv1/written" "k=v" }}
EOT
}
template "tls" {
  destination = "tls"
  contents    = "{{ with pkiCert \"pki/issue/web\" \"common_name=web.example.com\" }}{{ .Cert }}{{ .Key }}{{ end }}"
}
`

// leastServer is a Vault for these templates.
type leastServer struct {
	addr, root string
}

func (s leastServer) prepare(t *testing.T) {
	t.Helper()
	for _, step := range []struct {
		path string
		body map[string]any
	}{
		{"sys/mounts/kv", map[string]any{"type": "kv", "options": map[string]any{"version": "2"}}},
		{"sys/mounts/kv1", map[string]any{"type": "kv", "options": map[string]any{"version": "1"}}},
		{"sys/mounts/pki", map[string]any{"type": "pki"}},
		{"pki/" + "root/generate/internal", map[string]any{"common_name": "authority"}},
		{"pki/roles/web", map[string]any{"allow_any_name": true, "max_ttl": "1h"}},
		{"kv1/app", map[string]any{"password": "canary-1"}},
	} {
		s.put(t, step.path, step.body)
	}
	for _, name := range []string{"app/a", "app/b", "list/c"} {
		waitFor(t, "the key/value engine", func() bool { // it is busy for a moment when it is new
			_, err := s.try("kv/data/"+name, map[string]any{"data": map[string]any{"password": "canary-2"}})
			return err == nil
		})
	}
}

// TestPolicyIsTheLeast: with the printed policy the templates render, and with
// any line less the check says which.
func TestPolicyIsTheLeast(t *testing.T) {
	v := devvault.New(devvault.Options{})
	addr, stop, err := v.ServeTCP(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); v.Close() })
	leastPolicy(t, leastServer{addr, v.RootToken()})
}

// TestRealVaultPolicyIsTheLeast is the same on the real server: `make test` runs
// it (as everything of that prefix here) once that is built.
func TestRealVaultPolicyIsTheLeast(t *testing.T) {
	v, err := vaultserver.Start(t.Context(), vaultserver.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Stop(); err != nil {
			t.Error(err)
		}
	})
	leastPolicy(t, leastServer{v.Addr(), v.RootToken()})
}

func leastPolicy(t *testing.T, s leastServer) {
	s.prepare(t)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "root"), s.root)
	for name, token := range map[string]string{"root.hcl": "root", "app.hcl": "app"} {
		writeFile(t, filepath.Join(dir, name), strings.NewReplacer("$VAULT", s.addr, "$TOKEN", token).Replace(least))
	}
	_, text, said := runHere(t, dir, "policy", "-config=root.hcl", "-address="+s.addr)
	rules := strings.Count(text, "\npath ")
	if rules != 8 || strings.Contains(text, "This or") {
		t.Fatalf("%d rules:\n%s%s", rules, text, said)
	}
	s.put(t, "sys/policies/acl/least", map[string]any{"policy": text})
	token, err := s.try("auth/token/create", map[string]any{"policies": []string{"least"}})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "app"), token)
	if code, out, said := runHere(t, dir, "policy", "-config=app.hcl", "-check"); code != 0 || !strings.Contains(out, "may do all") {
		t.Errorf("check with the policy: %d\n%s%s", code, out, said)
	}
	if code, _, said := runHere(t, dir, "agent", "-config=app.hcl", "-exit-after-auth"); code != 0 || readFile(filepath.Join(dir, "kv")) == "" || readFile(filepath.Join(dir, "tls")) == "" {
		t.Errorf("rendering with the policy: %d\n%s", code, said)
	}
	for line := range strings.Lines(text) {
		path, isRule := strings.CutPrefix(line, "path ")
		if !isRule {
			continue
		}
		path, _, _ = strings.Cut(path, " {")
		s.put(t, "sys/policies/acl/least", map[string]any{"policy": strings.Replace(text, line, "", 1)})
		code, out, said := runHere(t, dir, "policy", "-config=app.hcl", "-check")
		if code != 1 || strings.Count(said, "error:") != 1 || !strings.Contains(said, "path "+path) || !strings.Contains(said, "app.hcl:") {
			t.Errorf("without %s: %d\n%s%s", strings.TrimSpace(line), code, out, said)
		}
		if strings.Contains(out+said, "canary-") || strings.Contains(out+said, token) {
			t.Errorf("a secret is shown:\n%s%s", out, said)
		}
	}
}

// put writes as root.
func (s leastServer) put(t *testing.T, path string, body map[string]any) {
	t.Helper()
	if _, err := s.try(path, body); err != nil {
		t.Fatal(err)
	}
}

// try writes as root, and gives the token in the answer if there is one.
func (s leastServer) try(path string, body map[string]any) (token string, err error) {
	var out struct {
		Auth struct {
			Token string `json:"client_token"`
		}
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPut, s.addr+"/v1/"+path, bytes.NewReader(raw))
	if err != nil {
		return "", err
	}
	r.Header.Set("X-Vault-Token", s.root)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		return "", fmt.Errorf("%s: %s %s %w", path, resp.Status, answer, err)
	}
	if len(answer) > 0 {
		err = json.Unmarshal(answer, &out)
	}
	return out.Auth.Token, err
}

// runHere runs the program in dir to its end.
func runHere(t *testing.T, dir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Args = append([]string{"vault-renderer"}, args...)
	cmd.Dir = dir
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "VAULT_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode(), out.String(), said.String()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, out.String(), said.String()
}

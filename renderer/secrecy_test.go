package main

import (
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// leaky is a configuration in which everything that can fail does, beside two
// templates that are well.
const leaky = `
log_level = "trace"
pid_file  = "pid"
tmpfs     = "off"
vault {
  address = "$VAULT"
}
auto_auth {
  method "approle" {
    config = {
      role_id_file_path   = "role_id"
      secret_id_file_path = "secret_id"
      remove_secret_id_file_after_reading = false
    }
  }
  sink "file" {
    config = { path = "token" }
  }
}
template "good" {
  contents    = "{{ with secret \"database/creds/mysql-role\" }}{{ .Data.username }} {{ .Data.password }}{{ end }}"
  destination = "good"
  exec {
    command = ["sh", "-c", "env > hook-env; tr '\\0' ' ' < /proc/$$/cmdline > hook-argv; cat good >/dev/null; exit 3"]
  }
}
template "kv" {
  contents    = "{{ with secret \"kv/app/a\" }}{{ .Data.data.password }}{{ end }}"
  destination = "kv"
  command     = "echo told >> hook-told"
}
template "bad value" {
  contents    = "{{ with secret \"kv/app/a\" }}{{ .Data.data.number | parseInt }}{{ end }}"
  destination = "bad-value"
}
template "bad password" {
  contents    = "{{ with secret \"database/creds/mysql-role\" }}{{ index .Data.password 999 }}{{ end }}"
  destination = "bad-password"
}
template "bad json" {
  contents    = "{{ with secret \"database/creds/mysql-role\" }}{{ .Data.password | parseJSON }}{{ end }}"
  destination = "bad-json"
}
template "bad bool" {
  contents    = "{{ with secret \"kv/app/a\" }}{{ .Data.data.password | parseBool }}{{ end }}"
  destination = "bad-bool"
}
template "denied" {
  contents    = "{{ with secret \"kv/forbidden/a\" }}{{ .Data.data.password }}{{ end }}"
  destination = "denied"
}
template "path" {
  contents    = "{{ with secret \"kv/app/a\" }}{{ with secret (print \"kv/forbidden/\" .Data.metadata.version) }}x{{ end }}{{ end }}"
  destination = "path"
}
template "unwritable" {
  contents         = "{{ with secret \"kv/app/a\" }}{{ .Data.data.password }}{{ end }}"
  destination      = "sub/unwritable"
  create_dest_dirs = false
}
`

// TestInvariantI4 is I4: secret values never reach logs, errors, argv, the
// environment of commands, or any file but the destinations and sinks.
func TestInvariantI4(t *testing.T) {
	for _, format := range []string{"standard", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b, err := startVault(dir)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(b.stop)
			in := func(name string) string { return filepath.Join(dir, name) }
			writeFile(t, in("leaky.hcl"), strings.ReplaceAll(leaky, "$VAULT", b.addr))
			if err := os.Mkdir(in("sub"), 0o700); err != nil {
				t.Fatal(err)
			}
			// The unwritable destination is well at the start.
			b.vault.SetFault(func(*http.Request) (int, bool) { return 500, true })
			agent := startAgent(t, dir, "agent", "-config=leaky.hcl", "-log-format="+format)
			waitFor(t, "the pid file", func() bool { return readFile(in("pid")) != "" })
			if err := os.Remove(in("sub")); err != nil {
				t.Fatal(err)
			}
			b.vault.SetFault(nil)

			said := func(what string) func() bool {
				return func() bool { return strings.Contains(readFile(in("stderr")), what) }
			}
			for _, name := range []string{"good", "kv", "token", "hook-env", "hook-argv", "hook-told"} {
				waitFor(t, name, func() bool { return readFile(in(name)) != "" })
			}
			for _, what := range []string{
				"exit status 3", "parseInt", "bad password", "bad json", "parseBool", "kv/data/forbidden/a", "kv/data/forbidden/1", "sub/unwritable", "application told",
			} {
				waitFor(t, what, said(what))
			}
			argv := readFile("/proc/" + strconv.Itoa(agent.Process.Pid) + "/cmdline")
			if !strings.Contains(argv, "leaky.hcl") {
				t.Errorf("argv %q", argv)
			}
			// A bad configuration on reload is printed with its source lines.
			writeFile(t, in("leaky.hcl"), strings.ReplaceAll(leaky, `| parseInt`, `| parseInt | nonsense`))
			_ = agent.Process.Signal(syscall.SIGHUP)
			waitFor(t, "the refused reload", said("stays in force"))
			_ = agent.Process.Signal(syscall.SIGTERM)
			if err := agent.Wait(); err != nil {
				t.Error(err)
			}

			secrets := append([]string{"canary-", "hvs."}, b.secret...)
			secrets = append(secrets, strings.Fields(readFile(in("good")))[1], readFile(in("token")))
			holds := func(text string) bool {
				for _, s := range secrets {
					if strings.Contains(text, s) {
						return true
					}
				}
				return false
			}
			if holds(argv) {
				t.Error("a secret in argv")
			}
			for _, name := range []string{"good", "token", "kv", "secret_id"} {
				if !holds(readFile(in(name))) {
					t.Errorf("%s holds no secret: the search finds nothing", name)
				}
			}
			allowed := map[string]bool{"good": true, "kv": true, "token": true, "role_id": true, "secret_id": true}
			seen := 0
			err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				rel, _ := filepath.Rel(dir, path)
				seen++
				if text := readFile(path); holds(text) && !allowed[rel] {
					t.Errorf("a secret in %s:\n%s", rel, text)
				}
				return nil
			})
			if err != nil || seen < 10 {
				t.Errorf("looked at %d files: %v", seen, err)
			}
			for _, name := range []string{"bad-value", "bad-password", "bad-json", "bad-bool", "denied", "path", "pid"} {
				if readFile(in(name)) != "" {
					t.Errorf("%s is there", name)
				}
			}
			if strings.Contains(readFile(in("hook-env")), "VAULT_TOKEN") || !strings.Contains(readFile(in("hook-env")), "VAULT_ADDR="+b.addr) {
				t.Errorf("the hook's environment:\n%s", readFile(in("hook-env")))
			}
		})
	}
}

// A failed one-shot run prints its error through another way than the log.
func TestInvariantI4OneShot(t *testing.T) {
	for name, contents := range map[string]string{
		"value":    `{{ with secret "kv/app/a" }}{{ .Data.data.number | parseInt }}{{ end }}`,
		"password": `{{ with secret "database/creds/mysql-role" }}{{ .Data.password | parseInt }}{{ end }}`,
		"denied":   `{{ with secret "kv/forbidden/a" }}{{ .Data.data.password }}{{ end }}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b, err := startVault(dir)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(b.stop)
			writeFile(t, filepath.Join(dir, "agent.hcl"), agentHCL(b.addr, dir)+
				"template \"x\" {\n  destination = \"x\"\n  contents = "+strconv.Quote(contents)+"\n}\n")
			agent := startAgent(t, dir, "agent", "-config=agent.hcl", "-exit-after-auth", "-log-level=trace")
			if err := agent.Wait(); err == nil {
				t.Error("success")
			}
			text := readFile(filepath.Join(dir, "stderr"))
			if v := b.shown(text); v != "" || !strings.Contains(text, "error:") {
				t.Errorf("stderr with %q:\n%s", v, text)
			}
		})
	}
}

// startAgent runs the program in dir, its output in files there. It ends with
// the test at the latest.
func startAgent(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Args = append([]string{"vault-renderer"}, args...) // testscript.Main goes by this name
	cmd.Dir = dir
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "VAULT_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "VAULT_TOKEN=canary-token-of-the-caller")
	for name, to := range map[string]*io.Writer{"stdout": &cmd.Stdout, "stderr": &cmd.Stderr} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		*to = f
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	if !within(patience, ok) {
		t.Fatalf("%s did not come", what)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// readFile gives a file's content; "" when there is none.
func readFile(path string) string {
	raw, _ := os.ReadFile(path)
	return string(raw)
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vault-renderer/renderer/internal/destination"
	"vault-renderer/testbed/devvault"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"vault-renderer": main, "vault": main, "fake-status": fakeStatus})
}

var update = flag.Bool("update", false, "update the stories' expected outputs")

// TestScripts runs the stories in testdata/script. Each has a Vault of its own
// at $VAULT (not in VAULT_ADDR: most stories want their file's address), with
// role_id and secret_id in its directory, and may use the commands below.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup:               setup,
		Deadline:            time.Now().Add(2 * time.Minute),
		Condition: func(c string) (bool, error) {
			if c == "disk" {
				var check destination.Checker
				return !check.OnTmpfs(filepath.Join(os.TempDir(), "x")), nil
			}
			return false, fmt.Errorf("unknown condition %q", c)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"signal":   cmdSignal,
			"wait-for": cmdWaitFor,
			"json":     cmdJSON,
			"secret":   cmdSecret,
			"mode":     cmdMode,
			"server":   cmdVault,
			"expand":   cmdExpand,
			"mkfifo":   cmdMkfifo,
			"status":   cmdStatus,
			"count":    cmdCount,
			"notified": cmdNotified,
			"get":      cmdGet,

			"root-token":     cmdRootToken,
			"users":          cmdUsers,
			"wrap-secret-id": cmdWrapSecretID,
		},
	})
}

// backend is a story's Vault.
type backend struct {
	vault  *devvault.Server
	db     *devvault.Memory
	addr   string
	secret []string // values that must not be shown
	close  func()
}

type backendKey struct{}

func setup(env *testscript.Env) error {
	b, err := startVault(env.WorkDir)
	if err != nil {
		return err
	}
	env.Defer(b.stop)
	env.Values[backendKey{}] = b
	env.Setenv("VAULT", b.addr)
	env.Setenv("VAULT_TOKEN", "canary-token-of-the-caller")
	env.Setenv("VAULT_ADDR", "")
	unset(env, "VAULT_ADDR", "VAULT_NAMESPACE", "VAULT_LOG_LEVEL", "VAULT_LOG_FORMAT", "GOCOVERDIR")
	return os.WriteFile(filepath.Join(env.WorkDir, "agent.hcl"), []byte(agentHCL(b.addr, env.WorkDir)), 0o600)
}

func unset(env *testscript.Env, names ...string) {
	kept := env.Vars[:0]
	for _, kv := range env.Vars {
		name, _, _ := strings.Cut(kv, "=")
		drop := false
		for _, n := range names {
			drop = drop || n == name
		}
		if !drop {
			kept = append(kept, kv)
		}
	}
	env.Vars = kept
}

// agentHCL is how to log in, for stories about something else.
func agentHCL(addr, dir string) string {
	return fmt.Sprintf(`
tmpfs = "off"
vault {
  address = %q
  retry { num_retries = -1 }
}
auto_auth {
  method "approle" {
    config = {
      role_id_file_path   = %q
      secret_id_file_path = %q
      remove_secret_id_file_after_reading = false
    }
  }
}
`, addr, filepath.Join(dir, "role_id"), filepath.Join(dir, "secret_id"))
}

// startVault serves a Vault with a database role, two KV mounts and an AppRole
// on loopback, and delivers role_id and secret_id into dir.
func startVault(dir string) (*backend, error) {
	b := &backend{db: &devvault.Memory{}}
	b.vault = devvault.New(devvault.Options{Database: b.db})
	for _, step := range []struct {
		path string
		body map[string]any
	}{
		{"sys/mounts/database", map[string]any{"type": "database"}},
		{"sys/mounts/kv", map[string]any{"type": "kv", "options": map[string]any{"version": "2"}}},
		{"sys/auth/approle", map[string]any{"type": "approle"}},
		{"database/config/mysql-database", map[string]any{
			"plugin_name": "mysql-database-plugin", "connection_url": "{{username}}:{{password}}@tcp(db:3306)/",
			"allowed_roles": "*", "username": "admin", "password": "canary-admin",
		}},
		{"database/roles/mysql-role", map[string]any{
			"db_name": "mysql-database", "creation_statements": "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'",
			"default_ttl": "1h", "max_ttl": "24h",
		}},
		{"kv/data/app/a", map[string]any{"data": map[string]any{"password": "canary-kv", "number": "canary-not-a-number"}}},
		{"kv/data/forbidden/a", map[string]any{"data": map[string]any{"password": "canary-forbidden"}}},
		{"sys/policies/acl/app", map[string]any{"policy": `
path "database/creds/mysql-role" { capabilities = ["read"] }
path "kv/data/app/*" { capabilities = ["read"] }`}},
		{"auth/approle/role/webapp-role", map[string]any{"token_policies": "app"}},
	} {
		if _, err := b.ask(http.MethodPut, step.path, step.body); err != nil {
			return nil, err
		}
	}
	role, err := b.ask(http.MethodGet, "auth/approle/role/webapp-role/role-id", nil)
	if err != nil {
		return nil, err
	}
	secret, err := b.ask(http.MethodPut, "auth/approle/role/webapp-role/secret-id", nil)
	if err != nil {
		return nil, err
	}
	for name, v := range map[string]any{"role_id": role["role_id"], "secret_id": secret["secret_id"]} {
		id, _ := v.(string)
		b.secret = append(b.secret, id)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(id+"\n"), 0o600); err != nil {
			return nil, err
		}
	}
	b.addr, b.close, err = b.vault.ServeTCP(context.Background())
	return b, err
}

func (b *backend) stop() {
	b.close()
	b.vault.Close()
}

// ask asks the Vault as root and gives the answer's data.
func (b *backend) ask(method, path string, body map[string]any) (map[string]any, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(context.Background(), method, "http://vault/v1/"+path, bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	r.Header.Set("X-Vault-Token", b.vault.RootToken())
	resp, err := b.vault.Transport().RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s: %d %s %w", method, path, resp.StatusCode, answer, err)
	}
	var out struct{ Data map[string]any }
	if len(answer) > 0 {
		err = json.Unmarshal(answer, &out)
	}
	return out.Data, err
}

// shown gives the first secret value that stands in text: every canary, what
// is in the delivered files, and what devvault made up.
func (b *backend) shown(text string, more ...string) string {
	for _, v := range append(append([]string{"canary-", "hvs."}, b.secret...), more...) {
		if v != "" && strings.Contains(text, v) {
			return v
		}
	}
	return ""
}

// within waits until ok, with a deadline.
func within(d time.Duration, ok func() bool) bool {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if ok() {
			return true
		}
		time.Sleep(10 * time.Millisecond) // a poll of another process, not a guess
	}
	return ok()
}

const patience = 20 * time.Second

// cmdSignal: signal HUP pidfile sends a signal to the process in a pid file.
// With "until-gone" it is sent again and again: two at once may arrive as one.
func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	sig := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "USR1": syscall.SIGUSR1, "WINCH": syscall.SIGWINCH}
	if neg || len(args) < 2 || len(args) > 3 || sig[args[0]] == 0 {
		ts.Fatalf("usage: signal HUP|TERM|INT|USR1|WINCH pidfile [until-gone]")
	}
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(args[1])))
	ts.Check(err)
	ts.Check(syscall.Kill(pid, sig[args[0]]))
	if len(args) == 3 && !within(patience, func() bool { return syscall.Kill(pid, sig[args[0]]) != nil }) {
		ts.Fatalf("process %d is still there", pid)
	}
}

// cmdWaitFor: wait-for file [regexp] waits for a file, and for what it says.
// With ! it asserts that the file is not there.
func cmdWaitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: wait-for file [regexp]")
	}
	re := regexp.MustCompile("")
	if len(args) == 2 {
		re = regexp.MustCompile(`(?m)` + args[1])
	}
	var last []byte
	if !within(patience, func() bool {
		b, err := os.ReadFile(ts.MkAbs(args[0]))
		last = b
		return err == nil && re.Match(b)
	}) {
		ts.Fatalf("%s: no %q in\n%s", args[0], re, last)
	}
}

// cmdJSON: json file checks that every line is a JSON object with Vault's keys.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: json file")
	}
	n := 0
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			ts.Fatalf("%q: %v", line, err)
		}
		for _, k := range []string{"@level", "@message", "@timestamp"} {
			if s, _ := o[k].(string); s == "" {
				ts.Fatalf("%q has no %s", line, k)
			}
		}
		n++
	}
	if n < 3 {
		ts.Fatalf("only %d lines", n)
	}
}

// cmdSecret: secret file... asserts that no secret is in the files (stdout and
// stderr are names too). -rendered=FILE names a file whose user and password
// count as secrets.
func cmdSecret(ts *testscript.TestScript, neg bool, args []string) {
	if !neg || len(args) == 0 {
		ts.Fatalf("usage: ! secret [-rendered=file] file...")
	}
	b, _ := ts.Value(backendKey{}).(*backend)
	var more []string
	for _, a := range args {
		if file, ok := strings.CutPrefix(a, "-rendered="); ok {
			more = append(more, long(ts.ReadFile(file))...)
			continue
		}
		if v := b.shown(ts.ReadFile(a), more...); v != "" {
			ts.Fatalf("%s shows a secret:\n%s", a, ts.ReadFile(a))
		}
	}
}

// long gives the words of a file that look like generated passwords or tokens.
func long(text string) (words []string) {
	for _, w := range strings.Fields(text) {
		if len(w) >= 16 {
			words = append(words, w)
		}
	}
	return words
}

// cmdMode: mode 0600 file checks a file's permissions.
func cmdMode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode 0600 file")
	}
	st, err := os.Lstat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", st.Mode().Perm()); got != args[0] {
		ts.Fatalf("mode %s, want %s", got, args[0])
	}
}

// cmdVault: server fail|hang|well lets the Vault fail, server login FILE checks
// that the database takes the MYSQL_USER and MYSQL_PASSWORD of a rendered file,
// server put PATH KEY VALUE writes a secret.
func cmdVault(ts *testscript.TestScript, neg bool, args []string) {
	b, _ := ts.Value(backendKey{}).(*backend)
	switch {
	case len(args) == 1 && args[0] == "hang" && !neg:
		b.vault.SetFault(func(r *http.Request) (int, bool) { <-r.Context().Done(); return 0, true })
	case len(args) == 1 && args[0] == "fail" && !neg:
		b.vault.SetFault(func(*http.Request) (int, bool) { return 500, true })
	case len(args) == 1 && args[0] == "well" && !neg:
		b.vault.SetFault(nil)
	case len(args) == 2 && args[0] == "login":
		text := ts.ReadFile(args[1])
		if ok := b.db.Login(value(text, "MYSQL_USER"), value(text, "MYSQL_PASSWORD")); ok == neg {
			ts.Fatalf("login %v with\n%s", ok, text)
		}
	case len(args) == 4 && args[0] == "put" && !neg:
		_, err := b.ask(http.MethodPut, args[1], map[string]any{"data": map[string]any{args[2]: args[3]}})
		ts.Check(err)
	default:
		ts.Fatalf("usage: server fail|hang|well|login file|put path key value")
	}
}

// cmdExpand: expand file puts the environment's values into a file.
func cmdExpand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: expand file")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(os.Expand(ts.ReadFile(args[0]), ts.Getenv)), 0o600))
}

// cmdMkfifo: mkfifo file makes a named pipe.
func cmdMkfifo(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: mkfifo file")
	}
	ts.Check(syscall.Mkfifo(ts.MkAbs(args[0]), 0o600))
}

// value is a key's value in an ini file.
func value(text, key string) string {
	m := regexp.MustCompile(`(?m)^` + key + `\s*=\s*(.*)$`).FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return strings.TrimSpace(m[1])
}

package entrypoint

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vault-renderer/testbed/capture"
	"vault-renderer/testbed/devvault"
	"vault-renderer/testbed/pidns"
)

const patience = 20 * time.Second

// kind is how the binary runs: as PID 1 where that is permitted, with a tmpfs.
func kind() (pidns.Kind, error) {
	dir, err := os.MkdirTemp(programs.dir, "mount-")
	if err != nil {
		return "", err
	}
	k := pidns.Permitted(context.Background())
	if k == pidns.Subreaper {
		return k, nil
	}
	done, err := k.Start(inTmpfs(dir, "/bin/true"))
	if err == nil {
		err = <-done
	}
	if err != nil {
		return pidns.Subreaper, nil //nolint:nilerr // no mounts here: the tests say so
	}
	return k, nil
}

// inTmpfs is a command that sees a tmpfs of its own at dir.
func inTmpfs(dir string, argv ...string) *exec.Cmd {
	return &exec.Cmd{Path: "/proc/self/exe", Args: append([]string{mountName, dir}, argv...)}
}

// world is a Vault and a directory, in which runs of the binary follow each other.
type world struct {
	t       *testing.T
	kind    pidns.Kind
	dir     string
	private string // a tmpfs that the binary and its child alone see, where that is permitted
	mark    string // in the environment of all that runs
	vault   *devvault.Server
	db      *devvault.Memory
	addr    string
}

// each runs a test as PID 1 and as an ordinary process, or only as what the
// machine permits.
func each(t *testing.T, test func(*testing.T, *world)) {
	t.Parallel()
	kinds := []pidns.Kind{pidns.Subreaper}
	if programs.kind != pidns.Subreaper {
		kinds = append(kinds, programs.kind)
	}
	for _, k := range kinds {
		name := strings.Fields(string(k))[0]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newWorld(t, k))
		})
	}
}

// asEntrypoint runs a test as the machine permits.
func asEntrypoint(t *testing.T) *world {
	t.Parallel()
	return newWorld(t, programs.kind)
}

func newWorld(t *testing.T, k pidns.Kind) *world {
	t.Helper()
	dir, err := os.MkdirTemp(programs.dir, "world-")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, kind: k, dir: dir, private: dir + "/private", mark: "ENTRYPOINT_TEST=" + filepath.Base(dir), db: &devvault.Memory{}}
	if err := os.Mkdir(w.private, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Logf("vault-renderer runs as %s", k)
	w.vault = devvault.New(devvault.Options{Database: w.db})
	t.Cleanup(w.vault.Close)
	var stop func()
	if w.addr, stop, err = w.vault.ServeTCP(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	w.prepare()
	t.Cleanup(w.nothingRuns)
	return w
}

// prepare fills the Vault and delivers role_id and secret_id.
func (w *world) prepare() {
	w.t.Helper()
	for _, step := range []struct {
		path string
		body map[string]any
	}{
		{"sys/mounts/database", map[string]any{"type": "database"}},
		{"sys/mounts/kv", map[string]any{"type": "kv", "options": map[string]any{"version": "2"}}},
		{"sys/auth/approle", map[string]any{"type": "approle"}},
		{"database/config/db", map[string]any{
			"plugin_name": "mysql-database-plugin", "connection_url": "{{username}}:{{password}}@tcp(db:3306)/",
			"allowed_roles": "*", "username": "admin", "password": "canary-admin",
		}},
		{"database/roles/app", map[string]any{
			"db_name": "db", "creation_statements": "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'", "default_ttl": "1h", "max_ttl": "24h",
		}},
		{"database/roles/short", map[string]any{
			"db_name": "db", "creation_statements": "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'", "default_ttl": "6s", "max_ttl": "6s",
		}},
		{"database/roles/nine", map[string]any{
			"db_name": "db", "creation_statements": "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'", "default_ttl": "9s", "max_ttl": "9s",
		}},
		{"sys/policies/acl/app", map[string]any{"policy": `
path "database/creds/*" { capabilities = ["read"] }
path "kv/data/*" { capabilities = ["read"] }
path "sys/leases/revoke" { capabilities = ["update"] }`}},
		{"auth/approle/role/app", map[string]any{"token_policies": "app"}},
		{"kv/data/other", map[string]any{"data": map[string]any{"value": "canary-other"}}},
	} {
		w.ask(http.MethodPut, step.path, step.body)
	}
	w.put("canary-0")
	w.write("role_id", w.ask(http.MethodGet, "auth/approle/role/app/role-id", nil)["role_id"])
	w.write("secret_id", w.ask(http.MethodPut, "auth/approle/role/app/secret-id", nil)["secret_id"])
}

// put changes the secret that most tests are about.
func (w *world) put(value string) {
	w.t.Helper()
	w.ask(http.MethodPut, "kv/data/app", map[string]any{"data": map[string]any{"value": value}})
}

func (w *world) write(name string, content any) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), fmt.Appendln(nil, content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// ask asks Vault as root.
func (w *world) ask(method, path string, body map[string]any) map[string]any {
	w.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, "http://vault/v1/"+path, bytes.NewReader(raw))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("X-Vault-Token", w.vault.RootToken())
	resp, err := w.vault.Transport().RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Data map[string]any }
	if resp.StatusCode >= 300 {
		w.t.Fatalf("%s %s: %s", method, path, resp.Status)
	}
	_ = json.NewDecoder(resp.Body).Decode(&answer) // some have no body
	return answer.Data
}

// config is how to log in, and a variable VALUE from the secret that put sets.
const config = `
pid_file = %[1]q
vault {
  address = %[2]q
}
auto_auth {
  method "approle" {
    config = {
      role_id_file_path                   = %[3]q
      secret_id_file_path                 = %[4]q
      remove_secret_id_file_after_reading = false
    }
  }
}
template_config {
  static_secret_render_interval = "200ms"
}
`

const valueOfApp = `
env_template "VALUE" {
  contents             = "{{ with secret \"kv/app\" }}{{ .Data.data.value }}{{ end }}"
  error_on_missing_key = true
}
`

// run is one run of the binary.
type run struct {
	*world
	cmd      *exec.Cmd
	out, log *capture.Buffer
	done     <-chan error
}

// start starts the binary with what text says beside how to log in. In text
// @DIR, @PRIVATE and @APP stand for paths. command is what stands behind "--".
func (w *world) start(text string, command ...string) *run {
	w.t.Helper()
	r := &run{world: w, out: &capture.Buffer{}, log: &capture.Buffer{}}
	r.cmd = w.command(text, command...)
	r.cmd.Stdout, r.cmd.Stderr = r.out, r.log
	r.launch()
	return r
}

func (w *world) command(text string, command ...string) *exec.Cmd {
	w.t.Helper()
	w.write("config.hcl", fmt.Sprintf(config, w.dir+"/pid", w.addr, w.dir+"/role_id", w.dir+"/secret_id")+
		strings.NewReplacer("@DIR", w.dir, "@PRIVATE", w.private, "@APP", programs.app).Replace(text))
	argv := []string{programs.renderer, "agent", "-config=" + w.dir + "/config.hcl"}
	if len(command) > 0 {
		argv = append(append(argv, "--"), command...)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	if w.namespaced() {
		cmd = inTmpfs(w.private, argv...)
	}
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), w.mark, "APP_LOG="+w.dir+"/app.log", "VAULT_TOKEN=canary-somebodys")
	return cmd
}

func (r *run) launch() {
	r.t.Helper()
	var err error
	if r.done, err = r.kind.Start(r.cmd); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = r.cmd.Process.Kill() // it has ended, as a rule
		if r.t.Failed() {
			r.t.Logf("vault-renderer said:\n%s%s", r.out, r.log)
		}
		if strings.Contains(r.log.String(), "canary-") {
			r.t.Error("a secret was logged")
		}
	})
}

// ends waits for the end and gives the exit code.
func (r *run) ends() int {
	r.t.Helper()
	select {
	case <-r.done:
		return r.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		r.t.Fatal("vault-renderer does not end")
		return 0
	}
}

func (r *run) signal(sig syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
}

// stop asks it to end, and wants that to be no failure.
func (r *run) stop() {
	r.t.Helper()
	r.signal(syscall.SIGTERM)
	if code := r.ends(); code != 0 {
		r.t.Errorf("exit code %d", code)
	}
}

func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("it never came: %s", what)
		}
	}
}

// line is one of what the application wrote.
type line struct {
	at   time.Time
	pid  int // as it sees itself
	what string
	more string
}

// lines are the lines that the application wrote so far and that say what.
func (w *world) lines(what string) (out []line) {
	b, _ := os.ReadFile(w.dir + "/app.log")
	for text := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSuffix(text, "\n"), " ", 3)
		if len(f) < 3 || !strings.HasPrefix(f[2], what) || !strings.HasSuffix(text, "\n") {
			continue
		}
		at, _ := strconv.ParseInt(f[0], 10, 64)
		pid, _ := strconv.Atoi(f[1])
		out = append(out, line{time.Unix(0, at), pid, what, strings.TrimSpace(strings.TrimPrefix(f[2], what))})
	}
	return out
}

// says waits until the application has written so many lines that begin so.
func (w *world) says(what string, n int) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d lines %q of the application", n, what), func() bool { return len(w.lines(what)) >= n })
}

// running are the processes that live and come from this test.
func (w *world) running() (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range all {
		b, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(b, []byte(w.mark+"\x00")) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		pids = append(pids, pid)
	}
	return pids
}

// nothingRuns fails the test when something of it is left.
func (w *world) nothingRuns() {
	for _, pid := range w.running() {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		w.t.Errorf("process %d is left: %q", pid, name)
	}
}

// namespaced says whether the binary is PID 1.
func (w *world) namespaced() bool { return w.kind != pidns.Subreaper }

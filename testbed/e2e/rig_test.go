package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vault-renderer/testbed/bootstrap"
	"vault-renderer/testbed/capture"
	"vault-renderer/testbed/mariadb"
	"vault-renderer/testbed/tied"
	"vault-renderer/testbed/vaultserver"
)

// servers are started once for all tests; each test prepares them anew.
var servers struct {
	dir            string
	vault          *vaultserver.Server
	db             *mariadb.Server
	renderer, webb string // binaries
}

func TestMain(m *testing.M) {
	code, err := withServers(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func withServers(run func() int) (code int, err error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp(tmpfsDir(), "vault-renderer-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	servers.dir = dir
	for name, pkg := range map[string]string{"renderer": "vault-renderer/renderer", "webapp": "vault-renderer/webapp"} {
		if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg).CombinedOutput(); err != nil {
			return 1, fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
	}
	servers.renderer, servers.webb = filepath.Join(dir, "renderer"), filepath.Join(dir, "webapp")
	if servers.db, err = mariadb.Start(ctx, mariadb.Options{}); err != nil {
		return 1, err
	}
	defer func() { err = errorsJoin(err, servers.db.Stop()) }()
	binary, err := vaultserver.Binary(ctx, vaultserver.BinaryOptions{Progress: os.Stderr})
	if err != nil {
		return 1, err
	}
	if servers.vault, err = vaultserver.Start(ctx, vaultserver.Options{Binary: binary, Dir: filepath.Join(dir, "vault")}); err != nil {
		return 1, err
	}
	defer func() { err = errorsJoin(err, servers.vault.Stop()) }()
	return run(), nil
}

func errorsJoin(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// tmpfsDir is where secrets may lie; the product refuses anything else in strict mode.
func tmpfsDir() string {
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		return "/dev/shm"
	}
	return ""
}

// rig is one run of the whole system: renderer, webapp, and requests all along.
type rig struct {
	t             *testing.T
	dir           string
	base          string // the webapp's URL
	renderer, web *process
	requests      atomic.Int64
	failures      failures
	stopLoad      func()
	accounts      map[string]bool // Vault's accounts from before
}

// limits are the lives of tokens and leases in a test.
type limits struct {
	tokenTTL, tokenMax, leaseTTL, leaseMax time.Duration
	tableGrants                            bool
}

func start(t *testing.T, l limits) *rig {
	t.Helper()
	dir, err := os.MkdirTemp(servers.dir, "rig-")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: dir, accounts: map[string]bool{}}
	for _, u := range r.users() {
		r.accounts[u] = true
	}
	_, err = bootstrap.Run(t.Context(), bootstrap.Options{
		Client: servers.vault.Client(), MySQLAddr: servers.db.Addr(), MySQLRootUser: "root", MySQLRootPassword: servers.db.RootPassword(),
		DeliverDir: filepath.Join(dir, "run"), TokenTTL: l.tokenTTL, TokenMaxTTL: l.tokenMax,
		LeaseTTL: l.leaseTTL, LeaseMaxTTL: l.leaseMax, TableGrants: l.tableGrants,
	})
	if err != nil {
		t.Fatal(err)
	}
	root := moduleRoot(t)
	for _, name := range []string{"templates", "config.hcl"} {
		if err := os.Symlink(filepath.Join(root, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(r.stop)
	host, port, _ := strings.Cut(servers.db.Addr(), ":")
	r.renderer = r.run(servers.renderer, []string{"agent", "-config=config.hcl", "-log-level=debug"},
		"VAULT_ADDR="+servers.vault.Addr(), "MYSQL_HOST="+host, "MYSQL_PORT="+port)
	r.web = r.run(servers.webb, []string{"-config=run/config.ini", "-listen=127.0.0.1:0"})
	r.eventually("the webapp listens", 20*time.Second, func() bool {
		_, rest, ok := strings.Cut(r.web.log.String(), "msg=listening address=")
		if ok {
			addr, _, _ := strings.Cut(rest, "\n")
			r.base = "http://" + strings.TrimSpace(addr)
		}
		return ok
	})
	r.eventually("the webapp is ready", 20*time.Second, r.ready)
	return r
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "vault-renderer").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// process is a program under test with what it wrote.
type process struct {
	cmd  *exec.Cmd
	log  capture.Buffer
	done <-chan struct{}
}

func (r *rig) run(path string, args []string, env ...string) *process {
	r.t.Helper()
	p := &process{cmd: exec.Command(path, args...)}
	p.cmd.Dir = r.dir
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	var err error
	if p.done, err = tied.Start(p.cmd, nil); err != nil {
		r.t.Fatal(err)
	}
	return p
}

// end stops a program with SIGTERM and says whether it ended well and in time.
func (p *process) end() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("%s did not stop", filepath.Base(p.cmd.Path))
	}
	if c := p.cmd.ProcessState.ExitCode(); c != 0 {
		return fmt.Errorf("%s exited with %d", filepath.Base(p.cmd.Path), c)
	}
	return nil
}

// stop ends everything and checks that no secret was logged.
func (r *rig) stop() {
	if r.stopLoad != nil {
		r.stopLoad()
	}
	for _, p := range []*process{r.web, r.renderer} {
		if p == nil {
			continue
		}
		if err := p.end(); err != nil {
			r.t.Error(err)
		}
	}
	r.noSecretLogged()
	if r.t.Failed() {
		r.t.Logf("renderer:\n%s\nwebapp:\n%s", tailOf(r.renderer), tailOf(r.web))
	}
}

func tailOf(p *process) string {
	if p == nil {
		return ""
	}
	s := p.log.String()
	if len(s) > 6000 {
		s = "..." + s[len(s)-6000:]
	}
	return s
}

func (r *rig) noSecretLogged() {
	secrets := map[string]string{"password": r.field("MYSQL_PASSWORD")}
	for _, f := range []string{"role_id", "secret_id", "vault-token"} {
		if b, err := os.ReadFile(filepath.Join(r.dir, "run", f)); err == nil {
			secrets[f] = string(b)
		}
	}
	for _, p := range []*process{r.renderer, r.web} {
		for what, s := range secrets {
			if p != nil && s != "" && strings.Contains(p.log.String(), s) {
				r.t.Errorf("%s logged the %s", filepath.Base(p.cmd.Path), what)
			}
		}
	}
}

// field reads one value of the rendered file.
func (r *rig) field(name string) string {
	b, _ := os.ReadFile(filepath.Join(r.dir, "run", "config.ini"))
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, " = "); ok && k == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// eventually waits for a condition, with a deadline.
func (r *rig) eventually(what string, within time.Duration, ok func() bool) {
	r.t.Helper()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(within)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			r.t.Fatalf("not within %s: %s", within, what)
		}
	}
}

var client = &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func (r *rig) get(path string) (int, string, error) {
	resp, err := client.Get(r.base + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func (r *rig) ready() bool {
	code, _, err := r.get("/-/ready")
	return err == nil && code == http.StatusOK
}

// generation is the webapp's own report of what it uses.
type generation struct {
	Digest     string `json:"digest"`
	User       string `json:"user"`
	Generation int    `json:"generation"`
	Draining   int    `json:"draining"`
}

func (r *rig) generation() (g generation) {
	if _, body, err := r.get("/-/generation"); err == nil {
		_ = json.Unmarshal([]byte(body), &g)
	}
	return g
}

// load sends requests from several clients until stopLoad.
func (r *rig) load(clients int) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			pace := time.NewTicker(4 * time.Millisecond) // leaves the two cores some air
			defer pace.Stop()
			for n := 0; ctx.Err() == nil; n++ {
				r.request(i, n)
				<-pace.C
			}
		})
	}
	r.stopLoad = sync.OnceFunc(func() { cancel(); wg.Wait() })
}

func (r *rig) request(client_, n int) {
	r.requests.Add(1)
	var code int
	var err error
	if n%5 == 0 {
		var resp *http.Response
		resp, err = client.PostForm(r.base+"/add", url.Values{"note": {fmt.Sprintf("note %d of client %d", n, client_)}})
		if err == nil {
			code = resp.StatusCode
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	} else {
		code, _, err = r.get(fmt.Sprintf("/read/%d", n%20+1))
	}
	if err != nil || code >= 400 {
		r.failures.add(time.Now(), fmt.Sprintf("%d %v", code, err))
	}
}

// failures are the requests that failed.
type failures struct {
	mu   sync.Mutex
	at   []time.Time
	text []string
}

func (f *failures) add(at time.Time, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at, f.text = append(f.at, at), append(f.text, text)
}

// since counts the failures after a moment and shows the first.
func (f *failures) since(t time.Time) (n int, first string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, at := range f.at {
		if at.After(t) {
			if n == 0 {
				first = f.text[i]
			}
			n++
		}
	}
	return n, first
}

// noFailures fails the test when a request failed since t.
func (r *rig) noFailures(t time.Time) {
	r.t.Helper()
	if n, first := r.failures.since(t); n > 0 {
		r.t.Errorf("%d of %d requests failed, the first with %s", n, r.requests.Load(), first)
	}
}

// rotations waits until the webapp has used n more generations.
func (r *rig) rotations(n int, within time.Duration) {
	r.t.Helper()
	from := r.generation().Generation
	r.eventually(fmt.Sprintf("%d rotations", n), within, func() bool { return r.generation().Generation >= from+n })
}

// users are the accounts that Vault has made and not dropped.
func (r *rig) users() []string {
	r.t.Helper()
	u, err := servers.db.Users(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	return u
}

// noAccountsLeft ends both programs and waits for Vault to drop the accounts
// whose leases lapse.
func (r *rig) noAccountsLeft(within time.Duration) {
	r.t.Helper()
	r.stopLoad()
	for _, p := range []*process{r.web, r.renderer} {
		if err := p.end(); err != nil {
			r.t.Error(err)
		}
	}
	r.eventually("Vault has dropped every account of this test", within, func() bool { return r.ownUsers() == 0 })
}

func (r *rig) ownUsers() (n int) {
	for _, u := range r.users() {
		if !r.accounts[u] {
			n++
		}
	}
	return n
}

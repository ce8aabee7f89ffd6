package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vault-renderer/testbed/bootstrap"
	"vault-renderer/testbed/faultproxy"
	"vault-renderer/testbed/mariadb"
	"vault-renderer/testbed/vaultserver"
)

// rig is one run of the whole system: a Vault of its own, renderer, webapp, and
// requests all along.
type rig struct {
	t             *testing.T
	o             setup
	id            string // in the names of accounts
	dir           string
	inside        []string // how a program is started in the rig's own namespace; nil = as usual
	outside       string   // that namespace's root, as the test sees it
	vault         *vaultserver.Server
	db            *mariadb.Server
	proxy         *faultproxy.Proxy // before Vault; nil = the renderer reaches it itself
	acks          *faultproxy.Proxy // before the webapp's report; nil likewise
	base          string            // the webapp's URL
	renderer, web *process
	requests      atomic.Int64
	failures      failures
	stopLoad      func()
	secrets       secrets
}

// limits are the lives of tokens and leases in a test.
type limits struct {
	tokenTTL, tokenMax, leaseTTL, leaseMax time.Duration
}

// setup is what a test wants.
type setup struct {
	limits
	databaseGrants bool          // instead of grants on the table: old sessions outlive DROP USER
	ownDB          bool          // a MariaDB to restart
	secretIDTTL    time.Duration // 0 = forever
	managed        *managed      // nil = the project's own config.hcl
	supervised     supervised    // the application is the renderer's child
}

// notes is how many notes there are before the first request.
const notes = 20

var rigs atomic.Int64

// start brings up everything and returns when the webapp is ready.
func start(t *testing.T, o setup) *rig {
	t.Helper()
	dir, err := os.MkdirTemp(servers.dir, "rig-")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, o: o, id: fmt.Sprintf("%03d", rigs.Add(1)), dir: dir, db: servers.db}
	r.stopLoad = func() {}
	r.startServers()
	t.Cleanup(r.stop)
	r.configure()
	r.secrets.follow(t, r.file(), r.dir+"/run/vault-token", r.dir+"/run/secret_id", r.dir+"/run/role_id")
	r.startRenderer()
	r.eventually("the webapp is ready", 30*time.Second, r.ready)
	return r
}

func (r *rig) startServers() {
	r.t.Helper()
	var err error
	if r.o.ownDB {
		if r.db, err = mariadb.Start(r.t.Context(), mariadb.Options{}); err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(r.stopped(r.db.Stop))
	}
	if r.vault, err = vaultserver.Start(r.t.Context(), vaultserver.Options{Binary: servers.vault, Dir: r.dir + "/vault"}); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(r.stopped(r.vault.Stop))
	l := r.o.limits
	_, err = bootstrap.Run(r.t.Context(), bootstrap.Options{
		Client: r.vault.Client(), MySQLAddr: r.db.Addr(), MySQLRootUser: "root", MySQLRootPassword: r.db.RootPassword(),
		AdminUser: "vault-admin-" + r.id, UserPrefix: r.prefix(), DeliverDir: r.dir + "/run",
		TokenTTL: l.tokenTTL, TokenMaxTTL: l.tokenMax, LeaseTTL: l.leaseTTL, LeaseMaxTTL: l.leaseMax,
		SecretIDTTL: r.o.secretIDTTL, TableGrants: !r.o.databaseGrants,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	_, err = r.db.Admin().ExecContext(r.t.Context(), "INSERT INTO notes_webapp.note (content) VALUES ('a note')"+strings.Repeat(", ('a note')", notes-1))
	if err != nil {
		r.t.Fatal(err)
	}
}

// prefix is what the names of this test's accounts begin with.
func (r *rig) prefix() string { return "v-" + r.id + "-" }

func (r *rig) stopped(stop func() error) func() {
	return func() {
		if err := stop(); err != nil {
			r.t.Error(err)
		}
	}
}

// configure lays out what the programs read, the project's own files or those of
// a managed rollout, and starts the webapp.
func (r *rig) configure() {
	r.t.Helper()
	switch {
	case r.o.managed != nil:
		r.configureManaged()
		return
	case r.o.supervised.program():
		r.configureProgram()
		return
	}
	for _, name := range []string{"templates", "config.hcl"} {
		if err := os.Symlink(filepath.Join(servers.root, name), filepath.Join(r.dir, name)); err != nil {
			r.t.Fatal(err)
		}
	}
	if r.o.supervised == no {
		r.startWebapp()
	}
}

// file is the path of the file with the credentials.
func (r *rig) file() string {
	if r.o.managed != nil {
		return r.outside + r.dir + "/out/config.ini"
	}
	return r.dir + "/run/config.ini"
}

func (r *rig) startRenderer() {
	r.t.Helper()
	host, port, _ := strings.Cut(r.db.Addr(), ":")
	addr := r.vault.Addr()
	if r.proxy != nil {
		addr = r.proxy.Addr()
	}
	args := append([]string{"agent", "-config=config.hcl", "-log-level=debug"}, r.childArgs()...)
	r.renderer = r.run(r.renderer, servers.renderer, args, "VAULT_ADDR="+addr, "MYSQL_HOST="+host, "MYSQL_PORT="+port)
	if r.o.supervised != no {
		r.web = r.renderer // one ends with the other, and writes where it does
	}
	if r.o.supervised == webapp {
		r.findWebapp()
	}
}

// startWebapp starts the application, the second time at the same address.
func (r *rig) startWebapp() {
	r.t.Helper()
	listen := "127.0.0.1:0"
	if r.base != "" {
		listen = strings.TrimPrefix(r.base, "http://")
	}
	args := []string{"-config=" + strings.TrimPrefix(r.file(), r.outside), "-listen=" + listen}
	if r.o.managed == nil {
		args = append(args, "-ack=run/webapp.ack") // config.hcl waits for it
	}
	if m := r.o.managed; m != nil && !m.silentApp {
		args = append(args, "-refresh=unix://"+r.dir+"/run/status.sock")
	}
	again := r.web != nil
	if r.web = r.run(r.web, servers.webb, args); !again {
		r.findWebapp()
	}
}

// findWebapp reads its address in its log.
func (r *rig) findWebapp() {
	r.t.Helper()
	r.eventually("the webapp listens", 20*time.Second, func() bool {
		_, rest, ok := strings.Cut(r.web.log.String(), "msg=listening address=")
		addr, _, whole := strings.Cut(rest, "\n")
		r.base = "http://" + strings.TrimSpace(addr)
		return ok && whole
	})
}

// stop ends everything and checks that no secret was logged.
func (r *rig) stop() {
	r.stopLoad()
	for _, p := range []*process{r.web, r.renderer} {
		if p == nil {
			continue
		}
		if err := p.end(); err != nil {
			r.t.Error(err)
		}
	}
	for _, p := range []*process{r.renderer, r.web} {
		if p != nil {
			r.secrets.notIn(r.t, p)
		}
	}
	for _, p := range []*faultproxy.Proxy{r.proxy, r.acks} {
		if p != nil {
			r.stopped(p.Close)()
		}
	}
	if r.t.Failed() {
		r.t.Logf("renderer:\n%s\nwebapp:\n%s", r.renderer.tail(), r.web.tail())
	}
}

// secrets are all the values that were in the files while the test ran.
type secrets struct {
	mu   sync.Mutex
	seen map[string]string // by value: what it is
}

// follow looks at the files until the test ends.
func (s *secrets) follow(t *testing.T, paths ...string) {
	s.seen = map[string]string{}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for pause(ctx, 50*time.Millisecond) {
			for _, p := range paths {
				s.look(p)
			}
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
}

func (s *secrets) look(path string) {
	b, err := os.ReadFile(path)
	if err != nil {
		return
	}
	what, value := filepath.Base(path), strings.TrimSpace(string(b))
	if what == "config.ini" {
		_, rest, _ := strings.Cut(value, "MYSQL_PASSWORD = ")
		what = "password"
		value, _, _ = strings.Cut(rest, "\n")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if value != "" {
		s.seen[value] = what
	}
}

// notIn fails the test when a program wrote one of the secrets.
func (s *secrets) notIn(t *testing.T, p *process) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) == 0 {
		t.Error("no secret was seen")
	}
	log := p.log.String()
	for value, what := range s.seen {
		if strings.Contains(log, value) {
			t.Errorf("%s logged a %s", p.name, what)
		}
	}
}

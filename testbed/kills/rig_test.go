package kills

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vault-renderer/testbed/bootstrap"
	"vault-renderer/testbed/capture"
)

// rig is one campaign: the renderer, the application, its users, and those who
// look at all of it.
type rig struct {
	t        *testing.T
	dir      string
	log, web capture.Buffer
	app      *process
	base     string // the application's URL
	tokens   int    // that Vault had before

	renderer *renderer
	load     *load
	reader   *reader // of the first and the last file, quickly
	all      *reader
	census   *census
	trigger  trigger
	audit    audit

	stopLoad, stopLooking func()
}

func start(t *testing.T, own bool) *rig {
	t.Helper()
	dir, err := os.MkdirTemp(servers.dir, "campaign-")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: dir, stopLoad: func() {}, stopLooking: func() {}}
	r.prepareServers()
	r.tokens = r.livingTokens()
	t.Cleanup(r.stop)
	if r.app, err = run(dir, &r.web, servers.webapp, "-config=run/config.ini", "-listen=127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	listening := regexp.MustCompile(`msg=listening address=(\S+)\n`)
	eventually(t, "the application listens", 20*time.Second, func() bool {
		m := listening.FindStringSubmatch(r.web.String())
		if m != nil {
			r.base = "http://" + m[1]
		}
		return m != nil
	})
	host, port, _ := strings.Cut(servers.db.Addr(), ":")
	if err := os.WriteFile(filepath.Join(dir, "config.hcl"), []byte(configuration(dir, r.base, own, host, port)), 0o600); err != nil {
		t.Fatal(err)
	}
	follow(t, dir, &r.trigger, &r.audit)
	r.renderer = newRenderer(dir, &r.log)
	if err := r.renderer.start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the renderer is ready", 20*time.Second, func() bool { return r.renderer.phase().ready })
	r.look()
	return r
}

func (r *rig) prepareServers() {
	r.t.Helper()
	_, err := bootstrap.Run(r.t.Context(), bootstrap.Options{
		Client: servers.vault.Client(), MySQLAddr: servers.db.Addr(), MySQLRootUser: "root", MySQLRootPassword: servers.db.RootPassword(),
		DeliverDir: filepath.Join(r.dir, "run"), AuditLog: servers.vault.AuditLog(), TableGrants: true,
		TokenTTL: tokenTTL, TokenMaxTTL: tokenMax, LeaseTTL: leaseTTL, LeaseMaxTTL: leaseMax,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := servers.vault.Client().Sys().PutPolicyWithContext(r.t.Context(), bootstrap.PolicyName, policy); err != nil {
		r.t.Fatal(err)
	}
}

// look starts the load and those who look; they begin with what is ready.
func (r *rig) look() {
	r.load = newLoad(r.base, r.t.Errorf)
	r.reader = r.newReader(time.Millisecond, "config.ini", "my.cnf")
	r.all = r.newReader(40*time.Millisecond, files()...)
	r.census = &census{problem: r.t.Errorf, seen: map[string]bool{}, samples: map[string]int{}}
	r.stopLoad = beside(r.load.run)
	r.stopLooking = beside(r.reader.watch, r.all.watch, r.census.watch)
}

func (r *rig) newReader(every time.Duration, files ...string) *reader {
	return &reader{dir: r.dir, files: files, every: every, renderer: r.renderer, problem: r.t.Errorf, seen: map[account]bool{}}
}

// beside runs functions until the function that it returns is called, which
// waits for their ends.
func beside(fs ...func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, f := range fs {
		wg.Go(func() { f(ctx) })
	}
	return sync.OnceFunc(func() { cancel(); wg.Wait() })
}

// leave ends the campaign as an administrator would: the renderer stops with
// on_exit = "revoke", after nobody needs its credentials any more. It gives the
// accounts that Vault forgot.
func (r *rig) leave() (lost []string) {
	r.t.Helper()
	eventually(r.t, "the renderer is ready and has cleaned up after the kills", 20*time.Second, func() bool {
		return r.renderer.phase().ready && len(hidden(r.dir)) == 0 && r.all.together()
	})
	r.stopLoad()
	r.stopLooking()
	if err := r.renderer.phase().p.end(); err != nil {
		r.t.Error(err)
	}
	// Vault ends what hangs on a token beside its answer.
	eventually(r.t, "no lease is left", 5*time.Second, func() bool {
		return len(r.list("sys/leases/lookup/database/creds/mysql-role")) == 0
	})
	lost = forgotten(r.t, r.audit.figures().failed)
	if n := r.livingTokens(); n != r.tokens {
		r.t.Errorf("%d tokens are left", n-r.tokens)
	}
	r.onlyDelivered()
	return lost
}

// livingTokens counts the tokens that Vault knows. Where it gave up making one,
// because whoever asked was killed, it lists an accessor of no token.
func (r *rig) livingTokens() (n int) {
	r.t.Helper()
	c := servers.vault.Client().Auth().Token()
	for _, accessor := range r.list("auth/token/accessors") {
		if _, err := c.LookupAccessorWithContext(context.Background(), fmt.Sprint(accessor)); err == nil {
			n++
		}
	}
	return n
}

// list gives the keys at a path of Vault.
func (r *rig) list(path string) []any {
	r.t.Helper()
	s, err := servers.vault.Client().Logical().ListWithContext(context.Background(), path)
	if err != nil {
		r.t.Fatal(err)
	}
	if s == nil {
		return nil
	}
	keys, _ := s.Data["keys"].([]any)
	return keys
}

// onlyDelivered: nothing is in the directory but what was there at first.
func (r *rig) onlyDelivered() {
	r.t.Helper()
	entries, err := os.ReadDir(filepath.Join(r.dir, "run"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains([]string{bootstrap.RoleIDFile, bootstrap.SecretIDFile}, e.Name()) {
			r.t.Errorf("%s is left", e.Name())
		}
	}
}

// stop ends whatever still runs and looks for secrets in what was written.
func (r *rig) stop() {
	r.stopLoad()
	r.stopLooking()
	if r.renderer != nil {
		if now := r.renderer.phase(); now.p != nil {
			now.p.kill()
			<-now.p.done
		}
	}
	if r.app != nil {
		if err := r.app.end(); err != nil {
			r.t.Error(err)
		}
	}
	r.noSecretLogged()
	if r.t.Failed() {
		r.t.Logf("renderer:\n%s\napplication:\n%s", tail(r.log.String()), tail(r.web.String()))
	}
	r.keepLogs()
}

// keepLogs writes what the programs and Vault wrote where KILLS_LOGS says: the end that a
// failed test shows may come long after the cause.
func (r *rig) keepLogs() {
	dir := os.Getenv("KILLS_LOGS")
	if dir == "" {
		return
	}
	audit, _ := os.ReadFile(servers.vault.AuditLog())
	for name, text := range map[string]string{"renderer.log": r.log.String(), "webapp.log": r.web.String(), "audit.log": string(audit)} {
		if err := os.WriteFile(filepath.Join(dir, r.t.Name()+"-"+name), []byte(text), 0o600); err != nil {
			r.t.Error(err)
		}
	}
}

func tail(s string) string { return s[max(len(s)-6000, 0):] }

// tokenForm is what Vault's tokens look like, whole or in part.
var tokenForm = regexp.MustCompile(`hv[sbr]\.[A-Za-z0-9_-]+`)

func (r *rig) noSecretLogged() {
	secrets := map[string]string{"canary": "canary-"}
	for _, name := range []string{bootstrap.RoleIDFile, bootstrap.SecretIDFile} {
		if b, err := os.ReadFile(filepath.Join(r.dir, "run", name)); err == nil {
			secrets[name] = string(b)
		}
	}
	if r.reader != nil {
		for a := range r.reader.seen {
			secrets["password of "+a.user] = a.password
		}
	}
	for name, text := range map[string]string{"renderer": r.log.String(), "webapp": r.web.String()} {
		for what, s := range secrets {
			if s != "" && strings.Contains(text, s) {
				r.t.Errorf("%s logged: %s", name, what)
			}
		}
		if tokenForm.MatchString(text) {
			r.t.Errorf("%s logged a token", name)
		}
	}
}

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vault-renderer/testbed/bootstrap"
)

// Five rotations at leases of a few seconds under load, and not one request
// fails: with grants on the database (where old sessions outlive DROP USER) and
// on the table (where they do not).
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]bool{"database grants": true, "table grants": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, setup{limits: limits{time.Minute, 10 * time.Minute, 4 * time.Second, 8 * time.Second}, databaseGrants: database})
			began := time.Now()
			r.load()
			r.rotations(5, time.Minute)
			if n := r.accounts(); n > 3 {
				t.Errorf("%d accounts at once", n)
			}
			r.noAccountsLeft(15 * time.Second)
			r.noFailures(began)
			if r.requests.Load() < 100 {
				t.Errorf("only %d requests", r.requests.Load())
			}
			t.Logf("%d requests, none failed", r.requests.Load())
		})
	}
}

// The token reaches its maximum TTL again and again: a new login each time, and
// new credentials before the old token takes the old ones with it, though the
// lease itself would live much longer (the old user dies with the old token).
func TestTokenShorterThanLease(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]limits{
		"lease as short as the token": {6 * time.Second, 12 * time.Second, 6 * time.Second, 12 * time.Second},
		"lease longer than the token": {6 * time.Second, 12 * time.Second, time.Minute, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, setup{limits: l})
			began := time.Now()
			r.load()
			r.rotations(3, time.Minute)
			// Where both end together a lease may be replaced just before its token.
			r.eventually("three logins", 30*time.Second, func() bool { return r.renderer.said("logged in") >= 3 })
			r.noAccountsLeft(30 * time.Second)
			r.noFailures(began)
		})
	}
}

// Vault is killed for 20 seconds. The accounts live on in MariaDB meanwhile, so
// the app serves; what lapsed dies when Vault is back, and is replaced at once.
func TestVaultKilled(t *testing.T) {
	t.Parallel()
	r := start(t, setup{limits: limits{time.Minute, 10 * time.Minute, 10 * time.Second, 20 * time.Second}})
	began := time.Now()
	r.load()
	before := r.generation()
	r.vault.Kill()
	wait(t, 20*time.Second)
	r.noFailures(began)
	if now := r.generation(); now.Digest != before.Digest {
		t.Error("the file changed while Vault was away")
	}
	if err := r.vault.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	r.rotations(1, 15*time.Second)
	r.eventually("the webapp is ready", 10*time.Second, r.ready)
	well := time.Now()
	t.Logf("well again %s after Vault was back", well.Sub(back).Round(time.Millisecond))
	r.rotations(1, time.Minute)
	r.noFailures(well.Add(time.Second))
	r.saidOnce("Vault does not answer")
	r.noAccountsLeft(40 * time.Second)
}

// Vault is sealed for some seconds, within the life of the lease: nobody notices.
func TestVaultSealed(t *testing.T) {
	t.Parallel()
	r := start(t, setup{limits: limits{time.Minute, 10 * time.Minute, 8 * time.Second, 12 * time.Second}})
	began := time.Now()
	r.load()
	r.said(20*time.Second, "lease renewed")
	if err := r.vault.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.said(20*time.Second, "Vault does not answer")
	if err := r.vault.Unseal(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.rotations(2, time.Minute)
	r.saidOnce("Vault does not answer")
	r.noAccountsLeft(30 * time.Second)
	r.noFailures(began)
}

// MariaDB is restarted: requests fail while it is away, and no longer.
func TestMariaDBRestarted(t *testing.T) {
	t.Parallel()
	r := start(t, setup{limits: limits{time.Minute, 10 * time.Minute, 4 * time.Second, 8 * time.Second}, ownDB: true})
	r.load()
	r.rotations(1, 30*time.Second)
	if err := r.db.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	r.eventually("the webapp serves", 10*time.Second, func() bool {
		code, _, err := r.get("/read/1")
		return err == nil && code == 200 && r.ready()
	})
	t.Logf("well again %s after MariaDB was back", time.Since(back).Round(time.Millisecond))
	well := time.Now().Add(time.Second)
	r.rotations(2, time.Minute)
	r.noAccountsLeft(20 * time.Second)
	r.noFailures(well)
}

// The token is revoked by hand: its accounts are gone with it, and the app is
// well again as soon as somebody notices.
func TestTokenRevoked(t *testing.T) {
	t.Parallel()
	r := start(t, setup{limits: limits{time.Minute, 10 * time.Minute, 6 * time.Second, 12 * time.Second}})
	r.load()
	r.write("auth/token/revoke", map[string]any{"token": readFile(t, r.dir+"/run/vault-token")})
	r.rotations(1, 20*time.Second)
	well := time.Now().Add(time.Second)
	r.rotations(1, time.Minute)
	r.noFailures(well)
	r.noAccountsLeft(40 * time.Second)
}

// The seed's own configuration and template work unchanged but for paths and
// the address, and the file is what the seed's application reads.
func TestSeedConfiguration(t *testing.T) {
	t.Parallel()
	r := start(t, setup{limits: limits{3 * time.Minute, 5 * time.Minute, 3 * time.Minute, 5 * time.Minute}})
	dir := r.dir + "/seed"
	mkdir(t, dir)
	writeFile(t, dir+"/role_id", readFile(t, r.dir+"/run/role_id"))
	if err := bootstrap.NewSecretID(t.Context(), r.vault.Client(), dir); err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir+"/config.tmpl", seedTemplate)
	writeFile(t, dir+"/vault-agent.hcl", strings.NewReplacer(
		"/vault-agent/ids", dir, "/vault-agent", dir, "/webapp", dir, "http://vault-server:8200", r.vault.Addr(), "./pidfile", dir+"/pidfile").Replace(seedConfig))
	p := r.run(nil, servers.renderer, []string{"agent", "-config=" + dir + "/vault-agent.hcl"})
	r.eventually("the seed's file", 20*time.Second, func() bool { return exists(dir + "/config.ini") })
	lines := strings.Split(readFile(t, dir+"/config.ini"), "\n")
	want := []string{"", "[DATABASE]", "MYSQL_DB = notes_webapp", "MYSQL_HOST = database", "MYSQL_USER = v-", "MYSQL_PASSWORD = ", "", ""}
	if !slices.EqualFunc(lines, want, func(have, w string) bool {
		return have == w || (strings.HasSuffix(w, "-") || strings.HasSuffix(w, "= ")) && strings.HasPrefix(have, w)
	}) {
		t.Errorf("%d lines, not as the seed's", len(lines))
	}
	if readFile(t, dir+"/pidfile") == "" || readFile(t, dir+"/vault-token-via-agent") == "" {
		t.Error("no pid file or no token")
	}
	if err := p.end(); err != nil {
		t.Error(err)
	}
	if exists(dir + "/pidfile") {
		t.Error("the pid file is left")
	}
}

// saidOnce checks that a state is logged when it begins, not at every try.
func (r *rig) saidOnce(text string) {
	r.t.Helper()
	if n := r.renderer.said(text); n != 1 {
		r.t.Errorf("%q was logged %d times", text, n)
	}
}

package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"vault-renderer/testbed/bootstrap"
)

const clients = 8

// Five rotations at leases of a few seconds under load, and not one request
// fails: with grants on the database (where old sessions outlive DROP USER) and
// on the table (where they do not).
func TestRotationUnderLoad(t *testing.T) {
	for name, table := range map[string]bool{"database grants": false, "table grants": true} {
		t.Run(name, func(t *testing.T) {
			r := start(t, limits{tokenTTL: time.Minute, tokenMax: 10 * time.Minute, leaseTTL: 4 * time.Second, leaseMax: 8 * time.Second, tableGrants: table})
			began := time.Now()
			r.load(clients)
			r.rotations(5, time.Minute)
			if n := r.ownUsers(); n > 3 {
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
	for name, l := range map[string]limits{
		"lease as short as the token": {tokenTTL: 6 * time.Second, tokenMax: 12 * time.Second, leaseTTL: 6 * time.Second, leaseMax: 12 * time.Second, tableGrants: true},
		"lease longer than the token": {tokenTTL: 6 * time.Second, tokenMax: 12 * time.Second, leaseTTL: time.Minute, leaseMax: time.Hour, tableGrants: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, l)
			began := time.Now()
			r.load(clients)
			r.rotations(3, time.Minute)
			if n := strings.Count(r.renderer.log.String(), "logged in"); n < 3 {
				t.Errorf("%d logins", n)
			}
			r.noAccountsLeft(30 * time.Second)
			r.noFailures(began)
		})
	}
}

// Vault is killed for 20 seconds. The accounts live on in MariaDB meanwhile, so
// the app serves; what lapsed dies when Vault is back, and is replaced at once.
func TestVaultKilled(t *testing.T) {
	r := start(t, limits{tokenTTL: time.Minute, tokenMax: 10 * time.Minute, leaseTTL: 10 * time.Second, leaseMax: 20 * time.Second, tableGrants: true})
	began := time.Now()
	r.load(clients)
	r.rotations(0, time.Second)
	before := r.generation()
	servers.vault.Kill()
	wait(t, 20*time.Second)
	r.noFailures(began)
	if now := r.generation(); now.Digest != before.Digest {
		t.Error("the file changed while Vault was away")
	}
	if err := servers.vault.Restart(t.Context()); err != nil {
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
	r := start(t, limits{tokenTTL: time.Minute, tokenMax: 10 * time.Minute, leaseTTL: 8 * time.Second, leaseMax: 12 * time.Second, tableGrants: true})
	began := time.Now()
	r.load(clients)
	r.eventually("the first renewal", 20*time.Second, func() bool { return strings.Contains(r.renderer.log.String(), "lease renewed") })
	if err := servers.vault.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.eventually("the renderer has noticed", 20*time.Second, func() bool { return strings.Contains(r.renderer.log.String(), "Vault does not answer") })
	if err := servers.vault.Unseal(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.rotations(2, time.Minute)
	r.saidOnce("Vault does not answer")
	r.noAccountsLeft(30 * time.Second)
	if n, first := r.failures.since(began); n > 0 {
		t.Errorf("%d of %d requests failed, the first with %s", n, r.requests.Load(), first)
	}
}

// MariaDB is restarted: requests fail while it is away, and no longer.
func TestMariaDBRestarted(t *testing.T) {
	r := start(t, limits{tokenTTL: time.Minute, tokenMax: 10 * time.Minute, leaseTTL: 4 * time.Second, leaseMax: 8 * time.Second, tableGrants: true})
	r.load(clients)
	r.rotations(1, 30*time.Second)
	if err := servers.db.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	r.eventually("the webapp is ready", 10*time.Second, r.ready)
	t.Logf("well again %s after MariaDB was back", time.Since(back).Round(time.Millisecond))
	well := time.Now().Add(time.Second)
	r.rotations(2, time.Minute)
	r.noAccountsLeft(20 * time.Second)
	r.noFailures(well)
}

// The token is revoked by hand: its accounts are gone with it, and the app is
// well again as soon as somebody notices.
func TestTokenRevoked(t *testing.T) {
	r := start(t, limits{tokenTTL: time.Minute, tokenMax: 10 * time.Minute, leaseTTL: 6 * time.Second, leaseMax: 12 * time.Second, tableGrants: true})
	r.load(clients)
	token := readFile(t, r.dir+"/run/vault-token")
	if _, err := servers.vault.Client().Logical().WriteWithContext(context.Background(), "auth/token/revoke", map[string]any{"token": token}); err != nil {
		t.Fatal(err)
	}
	r.rotations(1, 20*time.Second)
	well := time.Now().Add(time.Second)
	r.rotations(1, time.Minute)
	r.noFailures(well)
	r.noAccountsLeft(40 * time.Second)
}

// The seed's own configuration and template work unchanged but for paths and
// the address, and the file is what the seed's application reads.
func TestSeedConfiguration(t *testing.T) {
	r := start(t, limits{tokenTTL: 3 * time.Minute, tokenMax: 5 * time.Minute, leaseTTL: 3 * time.Minute, leaseMax: 5 * time.Minute})
	dir := r.dir + "/seed"
	mkdir(t, dir)
	writeFile(t, dir+"/role_id", readFile(t, r.dir+"/run/role_id"))
	if err := bootstrap.NewSecretID(t.Context(), servers.vault.Client(), dir); err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir+"/config.tmpl", seedTemplate)
	writeFile(t, dir+"/vault-agent.hcl", strings.NewReplacer(
		"/vault-agent/ids", dir, "/vault-agent", dir, "/webapp", dir, "http://vault-server:8200", servers.vault.Addr(), "./pidfile", dir+"/pidfile").Replace(seedConfig))
	p := r.run(servers.renderer, []string{"agent", "-config=" + dir + "/vault-agent.hcl"})
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
	r.load(0)
	revoke(t, "database/creds/mysql-role")
}

// saidOnce checks that a state is logged when it begins, not at every try.
func (r *rig) saidOnce(text string) {
	r.t.Helper()
	if n := strings.Count(r.renderer.log.String(), text); n != 1 {
		r.t.Errorf("%q was logged %d times", text, n)
	}
}

package e2e

import (
	"time"

	"vault-renderer/testbed/bootstrap"
)

const hourly = `lookup_interval = "10s"`

// leaseFaults are those of tokens, leases and rights, made by somebody's hand.
func leaseFaults() []fault {
	hour := limits{time.Hour, 10 * time.Hour, time.Hour, 10 * time.Hour}
	return []fault{
		{
			name: "secret-id-renewed", setup: setup{limits: limits{seconds(6), seconds(9), time.Minute, time.Hour}, secretIDTTL: seconds(8), managed: &managed{approle: renewsItself}},
			within: seconds(5), do: secretIDRenewed,
		},
		{
			name: "secret-id-expired", setup: setup{limits: limits{seconds(6), seconds(9), time.Minute, time.Hour}, secretIDTTL: seconds(4)},
			refused: seconds(5), within: seconds(10), do: secretIDExpired,
		},
		{name: "policy-removed", setup: setup{limits: lives(60, 9)}, within: seconds(15), do: policyRemoved},
		{name: "lease-revoked", setup: setup{limits: hour, managed: &managed{lease: hourly, silentApp: true}}, refused: seconds(14), within: seconds(15), do: revoked((*rig).revokeLeases)},
		{name: "lease-revoked-and-reported", setup: setup{limits: hour, managed: &managed{lease: hourly}}, refused: seconds(2), within: seconds(4), do: revoked((*rig).revokeLeases)},
		{name: "lease-prefix-revoked", setup: setup{limits: hour, managed: &managed{lease: hourly + "\nown_token = true"}}, refused: seconds(2), within: seconds(4), do: revoked(func(r *rig) {
			r.write("sys/leases/revoke-prefix/database/creds/"+bootstrap.DatabaseRole, nil)
		})},
		{name: "token-revoked", setup: setup{limits: hour}, refused: seconds(2), within: seconds(4), do: revoked(func(r *rig) {
			r.write("auth/token/revoke", map[string]any{"token": readFile(r.t, r.dir+"/run/vault-token")})
		})},
	}
}

// revoked ends the credentials in use by a hand at Vault.
func revoked(end func(*rig)) func(*rig) time.Time {
	return func(r *rig) time.Time {
		before := r.generation()
		end(r)
		began := time.Now()
		r.eventually("new credentials", 20*time.Second, r.another(before))
		return began
	}
}

// policyRemoved takes the right to read credentials away until it was missed.
func policyRemoved(r *rig) time.Time {
	before := r.generation()
	r.policy("")
	r.said(30*time.Second, "permission denied")
	r.policy(managedPolicy)
	back := time.Now()
	r.eventually("new credentials", 20*time.Second, r.another(before))
	return back
}

// secretIDExpired lets the SecretID end without a new one: the next login, at
// the token's maximum, fails, and the token takes the account with it. A person
// brings another SecretID.
func secretIDExpired(r *rig) time.Time {
	began := time.Now()
	r.tidySecretIDs(func() bool { return r.renderer.said("login failed") > 0 })
	r.noFailures(began) // the token lives on still
	before := r.generation()
	r.eventually("the account is dropped with the token", 20*time.Second, func() bool { return r.accounts() == 0 })
	if err := bootstrap.NewSecretID(r.t.Context(), r.vault.Client(), r.dir+"/run"); err != nil {
		r.t.Fatal(err)
	}
	delivered := time.Now()
	r.eventually("new credentials", 30*time.Second, r.another(before))
	return delivered
}

// tidySecretIDs has Vault forget SecretIDs as soon as they have ended, which it
// does by itself about once a minute only: until then they are good.
func (r *rig) tidySecretIDs(until func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(time.Minute); !until(); wait(r.t, 500*time.Millisecond) {
		r.mustBe(time.Now().Before(deadline), "not within a minute")
		r.write("auth/"+bootstrap.AppRoleMount+"/tidy/secret-id", nil)
	}
}

const renewsItself = `
      secret_id_response_wrapping_path = "auth/approle/role/webapp-role/secret-id"
      secret_id_renew                  = true`

// deliverWrapped puts a wrapped SecretID where bootstrap puts a plain one.
func (r *rig) deliverWrapped() {
	r.t.Helper()
	c := r.vault.Client()
	c.SetWrappingLookupFunc(func(string, string) string { return "1m" })
	s, err := c.Logical().WriteWithContext(r.t.Context(), "auth/approle/role/"+bootstrap.AppRoleName+"/secret-id", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	writeFile(r.t, r.dir+"/run/secret_id", s.WrapInfo.Token)
}

// secretIDRenewed goes through four logins; each SecretID but the last has
// ended before.
func secretIDRenewed(r *rig) time.Time {
	r.tidySecretIDs(func() bool { return r.renderer.said("logged in") >= 4 })
	return time.Now()
}

package e2e

import (
	"net/http"
	"strings"
	"time"

	"vault-renderer/testbed/faultproxy"
)

// vaultFaults are those of Vault itself and of the way to it.
func vaultFaults() []fault {
	long := limits{time.Minute, time.Hour, seconds(24), seconds(24)}
	return []fault{
		{name: "vault-slow", setup: setup{limits: long}, within: seconds(10), do: vaultSlow},
		{name: "vault-down", setup: setup{limits: lives(60, 10)}, refused: seconds(5), within: seconds(10), do: vaultDown},
		{name: "vault-sealed", setup: setup{limits: lives(60, 8)}, within: seconds(10), rotates: true, do: vaultSealed},
		{name: "vault-forbids", setup: setup{limits: lives(60, 6)}, within: seconds(15), rotates: true, do: answered(faultproxy.Fault{Status: http.StatusForbidden, Error: "permission denied"})},
		{name: "vault-too-many-requests", setup: setup{limits: lives(60, 6)}, within: seconds(10), rotates: true, do: answered(faultproxy.Fault{Status: http.StatusTooManyRequests, RetryAfter: 2 * time.Second, Error: "request limit"})},
		{name: "vault-unavailable", setup: setup{limits: lives(60, 6)}, within: seconds(10), rotates: true, do: answered(faultproxy.Fault{Status: http.StatusServiceUnavailable, RetryAfter: 2 * time.Second, Error: "overloaded"})},
		{name: "answer-cut", setup: setup{limits: limits{time.Minute, time.Hour, seconds(18), seconds(18)}, managed: &managed{lease: "own_token = true"}}, within: seconds(10), do: answerCut},
	}
}

// vaultSlow has every answer come 5 s late until the credentials have changed.
func vaultSlow(r *rig) time.Time {
	before := r.generation()
	r.proxy.Set(faultproxy.Fault{Delay: 5 * time.Second})
	r.eventually("new credentials from a slow Vault", time.Minute, r.another(before))
	r.proxy.Mend()
	return time.Now()
}

func vaultDown(r *rig) time.Time {
	began, before := time.Now(), r.generation()
	r.vault.Kill()
	wait(r.t, short(15*time.Second, time.Minute))
	r.noFailures(began)
	r.mustBe(r.generation().Digest == before.Digest, "the file changed while Vault was away")
	s, err := r.status()
	r.mustBe(err == nil && strings.HasPrefix(s.Vault, "away since "), "the status says: Vault %s, %v", s.Vault, err)
	if err := r.vault.Restart(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	back := time.Now()
	r.saidOnce("Vault does not answer")
	r.eventually("new credentials", 20*time.Second, r.another(before))
	return back
}

func vaultSealed(r *rig) time.Time {
	if err := r.vault.Seal(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	r.said(20*time.Second, "Vault does not answer")
	wait(r.t, 2*time.Second)
	if err := r.vault.Unseal(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return time.Now()
}

// answered has Vault answer everything with an error until the renderer has met
// it, and for two seconds more. It must not ask again and again meanwhile.
func answered(f faultproxy.Fault) func(*rig) time.Time {
	return func(r *rig) time.Time {
		r.proxy.Set(f)
		r.eventually("the renderer meets it", 20*time.Second, func() bool { return r.proxy.Hits() > 0 })
		wait(r.t, 2*time.Second)
		if n := r.proxy.Hits(); n > 8 {
			r.t.Errorf("%d requests in 2 s", n)
		}
		r.proxy.Mend()
		return time.Now()
	}
}

// answerCut loses half of the answers that bring credentials, a token, or a
// renewal: the account of a lost answer is Vault's, and nobody knows of it.
func answerCut(r *rig) time.Time {
	before := r.generation()
	r.proxy.Set(faultproxy.Fault{Cut: true, Times: 3})
	r.eventually("three answers are lost", 30*time.Second, func() bool { return r.proxy.Hits() == 3 })
	r.proxy.Set(faultproxy.Fault{Cut: true, Times: 1, Match: func(q *http.Request) bool { return strings.Contains(q.URL.Path, "/database/creds/") }})
	r.eventually("credentials are lost", 30*time.Second, func() bool { return r.proxy.Hits() == 1 })
	lost := time.Now()
	r.eventually("new credentials", 20*time.Second, r.another(before))
	r.eventually("the accounts of the lost answer and of before are gone", 5*time.Second, func() bool { return r.accounts() == 1 })
	return lost
}

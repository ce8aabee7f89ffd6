package agent

import (
	"strings"
	"testing"
	"time"

	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/lease"
)

// TestOnlyCurrentCounts: what children had before is let go of when one is
// ready with what they should have now, and none runs with anything older.
func TestOnlyCurrentCounts(t *testing.T) {
	for name, c := range map[string]struct {
		p    process
		want bool
	}{
		"nothing was given":       {process{}, false},
		"none runs":               {process{set: true, since: 1, ready: 1}, false},
		"started, not ready":      {process{set: true, since: 1, running: map[int]uint64{10: 1}}, false},
		"ready":                   {process{set: true, since: 1, ready: 1, running: map[int]uint64{10: 1}}, true},
		"the one before is ready": {process{set: true, since: 2, ready: 1, running: map[int]uint64{10: 1, 11: 2}}, false},
		"the one before drains":   {process{set: true, since: 2, ready: 2, running: map[int]uint64{10: 1, 11: 2}}, false},
		"the one before is gone":  {process{set: true, since: 2, ready: 2, running: map[int]uint64{11: 2}}, true},
		"started for files later": {process{set: true, since: 2, ready: 4, running: map[int]uint64{12: 4}}, true},
	} {
		if got := c.p.current(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestVariableThatCanNotBe: a value that no process can be given is a failure
// of its template, so that all that is said of those holds for it.
func TestVariableThatCanNotBe(t *testing.T) {
	u := &unit{variable: "KEY"}
	for want, value := range map[string]string{
		"a NUL byte":                "canary-\x00",
		"has 200004 bytes, but the": strings.Repeat("c", 200000),
	} {
		err := u.judge([]byte(value), false)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "KEY") || len(err.Error()) > 300 {
			t.Errorf("%v", err)
		}
	}
	if err := u.judge([]byte(strings.Repeat("c", 100000)), true); err != nil {
		t.Error(err)
	}
}

// TestResumedVariable: the child of the run before has ended with it, so what
// only that child had is revoked at the next start.
func TestResumedVariable(t *testing.T) {
	for revoke, want := range map[config.RevokeWhen]bool{config.RevokeAlways: true, config.RevokeNever: false} {
		cfg := &config.Config{Leases: config.Leases{Revoke: revoke}}
		u := &unit{variable: "KEY", placed: []string{"new"}, acked: []string{"old"}}
		a := &Agent{ledger: newLedger(), terms: map[string]terms{}, plan: &plan{cfg: cfg, units: []*unit{u}}}
		for _, id := range []string{"old", "new"} {
			l := &lent{id: id, freed: time.Now()}
			l.set(lease.Lease{ID: id, TTL: time.Hour, IssuedAt: time.Now()}, time.Hour, false)
			a.ledger.lent[id] = l
		}
		a.resumeVariable(u)
		a.settle()
		if l := a.ledger.lent["old"]; l.freed.IsZero() || l.after.IsZero() == want {
			t.Errorf("%s: the old lease: freed %s, to be revoked %s", revoke, l.freed, l.after)
		}
		if l := a.ledger.lent["new"]; !l.freed.IsZero() {
			t.Errorf("%s: the new lease was let go of", revoke)
		}
	}
}

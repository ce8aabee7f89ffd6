package agent

import (
	"strings"
	"testing"
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

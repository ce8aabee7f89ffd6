package lease_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"vault-renderer/renderer/internal/lease"
)

func TestJump(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	for name, c := range map[string]struct{ wall, mono, want time.Duration }{
		"as expected":                   {5 * s, 5 * s, 0},
		"a little late":                 {6900 * ms, 6900 * ms, 0},
		"early, after one that was not": {100 * ms, 100 * ms, 0},
		"the host slept":                {8 * time.Hour, 5 * s, 8*time.Hour - 5*s},
		"the machine was paused":        {time.Minute, time.Minute, 55 * s},
		"the process was stopped":       {7100 * ms, 7100 * ms, 2100 * ms},
		"the clock was set forward":     {65 * s, 5 * s, time.Minute},
		"the clock was set back":        {-55 * s, 5 * s, -time.Minute},
		"the clock was set back, late":  {5 * s, 65 * s, -time.Minute},
		"the clock is being slewed":     {5*s + 300*ms, 5 * s, 0},
	} {
		var j lease.Jump
		if by := j.Tick(start(), time.Hour, 5*s); by != 0 {
			t.Errorf("%s: the first tick jumped by %v", name, by)
		}
		if by := j.Tick(start().Add(c.wall), time.Hour+c.mono, 5*s); by != c.want {
			t.Errorf("%s: jumped by %v, want %v", name, by, c.want)
		}
		if by := j.Tick(start().Add(c.wall+5*s), time.Hour+c.mono+5*s, 5*s); by != 0 {
			t.Errorf("%s: jumped once more, by %v", name, by)
		}
	}
}

// Ticks that are on time never jump, and whatever the clocks are apart beyond
// the slack is told exactly.
func TestJumpProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var j lease.Jump
		wall, mono := start(), time.Duration(0)
		j.Tick(wall, mono, time.Second)
		for range rapid.IntRange(1, 20).Draw(t, "ticks") {
			passed := time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "passed"))
			step := time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "step"))
			wall, mono = wall.Add(passed+step), mono+passed
			want := step
			if step.Abs() <= 2*time.Second {
				want = 0
			}
			if by := j.Tick(wall, mono, time.Second); by != want {
				t.Fatalf("jumped by %v, want %v", by, want)
			}
		}
	})
}

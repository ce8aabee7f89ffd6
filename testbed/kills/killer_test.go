package kills

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

const (
	longestPause = time.Second      // before a kill at any time
	longestWait  = 20 * time.Second // for a moment: a rotation comes every five seconds or so
)

// moments are those that are worth a kill, and more. The renames are so short
// that most kills miss them: they are tried more often.
func moments(more ...moment) []moment {
	return append(more, leaseAsked, leaseGiven, leaseGiven, staging, journaled, journaled, journaled, placing, placing, saving, revoking)
}

// killer chooses moments, kills, and has the renderer started again at once.
type killer struct {
	rand     *rand.Rand
	moments  []moment // that are waited for
	trigger  *trigger
	renderer *renderer
	reader   *reader
	log      io.Writer // of the renderer: the kills are noted between its lines

	by         map[moment]int
	unready    int // kills of a run that was not ready yet
	separated  int // kills that left files of two generations
	mostHidden int
}

// plan is the next kill: at a moment, and so long after it.
type plan struct {
	at    moment
	delay time.Duration
}

// next chooses. Half of the kills look at nothing, spread evenly over time;
// the others wait for a moment, and then follow it at once, or within
// milliseconds, or within the time that the application needs.
func (k *killer) next() plan {
	if k.rand.IntN(2) == 0 {
		return plan{anytime, k.upTo(longestPause)}
	}
	p := plan{at: k.moments[k.rand.IntN(len(k.moments))]}
	switch n := k.rand.IntN(4); {
	case p.at == journaled: // keeping what is there and the renames take about this long
		p.delay = k.upTo(1500 * time.Microsecond)
	case n == 0:
		p.delay = k.upTo(4 * time.Millisecond)
	case n == 1:
		p.delay = k.upTo(300 * time.Millisecond)
	}
	return p
}

func (k *killer) upTo(d time.Duration) time.Duration { return time.Duration(k.rand.Int64N(int64(d))) }

// kill does what is planned. Its error says that the moment did not come, or
// that the renderer ended by itself.
func (k *killer) kill(t *testing.T, p plan) {
	t.Helper()
	victim := k.renderer.phase().p
	k.prepare(p, victim)
	select {
	case <-victim.done:
	case <-time.After(longestWait):
		t.Fatalf("the moment %q did not come within %s: nothing is rotated", p.at, longestWait)
	}
	ready, err := k.renderer.restart(func() {
		fmt.Fprintf(k.log, "--- killed: %s, %s later\n", p.at, p.delay)
		if !k.reader.together() {
			k.separated++
		}
		k.mostHidden = max(k.mostHidden, len(hidden(k.reader.dir)))
	})
	if err != nil {
		t.Fatal(err)
	}
	k.by[p.at]++
	if !ready {
		k.unready++
	}
}

// prepare has victim killed as planned.
func (k *killer) prepare(p plan, victim *process) {
	switch {
	case p.at == anytime:
		time.AfterFunc(p.delay, victim.kill)
	case p.delay == 0:
		k.trigger.arm(p.at, victim.kill)
	default:
		k.trigger.arm(p.at, func() { time.AfterFunc(p.delay, victim.kill) })
	}
}

// number reads a count or a seed from the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

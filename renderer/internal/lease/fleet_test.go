package lease_test

import (
	"flag"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"vault-renderer/renderer/internal/lease"
)

// A fleet is many agents that were started within the same seconds, before one
// Vault: what the policy makes of them is seen in the requests per second. It is
// arithmetic: nothing runs, nothing waits.

const (
	fleetTTL   = time.Hour      // of a token and of a lease
	fleetMax   = 24 * time.Hour // of both
	fleetStart = 10 * time.Second
	fleetTime  = 36 * time.Hour
	fleetLook  = 5 * time.Minute // between look-ups of the lease
)

// load counts requests in every second.
type load []uint32

func (b load) add(at time.Duration) {
	if i := int(at / time.Second); i >= 0 && i < len(b) {
		b[i]++
	}
}

// worst is the peak of a load and its mean, in requests per second, from a
// moment on. Each bucket is so many seconds.
func (b load) worst(from time.Duration, bucket int) (peak, mean float64) {
	b = b[from/time.Second:]
	sum, n := 0.0, len(b)/bucket
	for i := range n {
		in := 0.0
		for _, v := range b[i*bucket : (i+1)*bucket] {
			in += float64(v)
		}
		peak = max(peak, in/float64(bucket))
		sum += in
	}
	return peak, sum / float64(n*bucket)
}

// fleetCase is what a fleet does.
type fleetCase struct {
	name      string
	random    bool          // with jitter
	fixed     bool          // the lease can't be renewed
	lookups   bool          // of the lease
	restarted time.Duration // when all are started anew; 0 = they are not
	resumes   bool          // a start goes on with token and lease of the run before
}

// simulated is one agent with one token and one lease.
type simulated struct {
	fleetCase
	policy  lease.Policy
	epoch   time.Time
	restart time.Time
	load    load
	made    int // credentials by the second start
}

// ask counts a request.
func (a *simulated) ask(at time.Time) { a.load.add(at.Sub(a.epoch)) }

// granting is a grant of Vault at a moment to what was issued at another.
func granting(at, issued time.Time, renewed bool) lease.Lease {
	left := issued.Add(fleetMax).Sub(at)
	return lease.Lease{ID: "x", TTL: min(fleetTTL, left), Renewable: true, IssuedAt: at, Renewed: renewed}
}

// live follows one token or one lease from when it was issued to when it is
// replaced, or to end.
func (a *simulated) live(issued, end time.Time, isLease bool) time.Time {
	l := granting(issued, issued, false)
	l.Renewable = !isLease || !a.fixed
	look := issued.Add(lease.Spread(fleetLook, a.policy.Rand))
	for {
		last := !l.Renewable || l.Renewed && lease.Truncated(l.TTL, fleetTTL)
		due := a.policy.RenewAt(l)
		if last {
			due = a.policy.ReplaceAt(l, fleetTTL)
		}
		due = sooner(due, end)
		if isLease {
			a.look(look, l.IssuedAt, due)
		}
		if last || !due.Before(end) {
			return due
		}
		a.ask(due)
		l = granting(due, issued, true)
		look = due.Add(lease.Interval(fleetLook, a.policy.Rand))
	}
}

// look follows the look-ups of a lease between two moments. A start that resumes
// is one, of the lease and of the token.
func (a *simulated) look(at, from, to time.Time) {
	if a.resumes && from.Before(a.restart) && a.restart.Before(to) {
		a.lookUntil(at, a.restart)
		a.ask(a.restart)
		a.ask(a.restart)
		at = a.restart.Add(lease.Spread(fleetLook, a.policy.Rand))
	}
	a.lookUntil(at, to)
}

func (a *simulated) lookUntil(at, to time.Time) {
	for a.lookups && at.Before(to) {
		a.ask(at)
		at = at.Add(lease.Interval(fleetLook, a.policy.Rand))
	}
}

func sooner(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// run follows the agent from its start to an end. A lease hangs on its token: a
// new token is a new lease.
func (a *simulated) run(start, end time.Time) {
	for token := start; token.Before(end); {
		a.ask(token) // the login
		next := a.live(token, end, false)
		for at := token; at.Before(next); {
			a.ask(at) // the fetch
			if at.Equal(a.restart) {
				a.made++
			}
			at = a.live(at, next, true)
		}
		if next.Before(end) {
			a.ask(next.Add(time.Minute)) // the old token is revoked
		}
		token = next
	}
}

// runAll is one agent through its starts.
func (a *simulated) runAll(offset time.Duration) {
	begin, end := a.epoch.Add(offset), a.epoch.Add(fleetTime)
	if a.restarted > 0 {
		a.restart = begin.Add(a.restarted)
	}
	if a.restarted == 0 || a.resumes {
		a.run(begin, end)
		return
	}
	a.run(begin, a.restart)
	a.run(a.restart, end)
}

// fleet gives the load of n agents, and how many credentials a second start made.
func fleet(n int, c fleetCase) (load, int) {
	workers := runtime.GOMAXPROCS(0)
	agents := make([]simulated, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(w)))
			a := simulated{fleetCase: c, epoch: start(), load: make(load, fleetTime/time.Second)}
			if c.random {
				a.policy.Rand = r.Float64
			}
			for i := w; i < n; i += workers {
				a.runAll(time.Duration(r.Float64() * float64(fleetStart)))
			}
			agents[w] = a
		})
	}
	wg.Wait()
	sum, made := agents[0].load, agents[0].made
	for _, a := range agents[1:] {
		made += a.made
		for i, v := range a.load {
			sum[i] += v
		}
	}
	return sum, made
}

var fleetSize = flag.Int("fleet", 2_000, "the `number` of agents in TestFleet")

// A fleet that was started together does not come back together. The benchmark
// runs it with 100,000 agents; fewer are looked at through longer buckets, so
// that a peak is no accident.
func TestFleet(t *testing.T) {
	n := *fleetSize
	bucket := max(1, 100_000/n)
	const early = 6 * time.Hour
	for _, c := range []struct {
		fleetCase
		least, most float64 // peak to mean
	}{
		{fleetCase{name: "with jitter", random: true}, 1, 4},
		{fleetCase{name: "without jitter"}, 10, 1000},
		{fleetCase{name: "with look-ups", random: true, lookups: true}, 1, 3},
		{fleetCase{name: "not renewable", random: true, fixed: true}, 1, 4.5},
		{fleetCase{name: "restarted", random: true, restarted: early}, 1, 4},
		{fleetCase{name: "restarted and resumed", random: true, restarted: early, resumes: true}, 1, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			load, made := fleet(n, c.fleetCase)
			atStart := 0.0
			for _, v := range load[c.restarted/time.Second:][:fleetStart/time.Second] {
				atStart += float64(v)
			}
			peak, mean := load.worst(c.restarted+fleetStart+time.Second, bucket)
			ratio := peak / mean
			t.Logf("%s: peak %.1f/s, mean %.1f/s, ratio %.2f, %.0f requests at the start, %d credentials made anew", c.name, peak, mean, ratio, atStart, made)
			if ratio < c.least || ratio > c.most {
				t.Errorf("the peak is %.1f times the mean", ratio)
			}
			if c.resumes && made != 0 || c.restarted > 0 && !c.resumes && made != n {
				t.Errorf("%d credentials by the second start", made)
			}
		})
	}
}

package e2e

import (
	"os"
	"testing"
	"time"
)

// fault is one row of docs/faults.md. A fault happens to the whole system under
// load; the bounds hold for the configuration of managed_test.go.
type fault struct {
	name  string
	setup setup
	// refused is how long, in all, requests may fail; 0 = none does.
	refused time.Duration
	// within is the time until everything is well again, from the moment that do
	// returns: the end of the fault, or its beginning where somebody has to notice.
	within time.Duration
	// rotates says that a rotation is waited for in the end; do has seen one otherwise.
	rotates bool
	do      func(*rig) time.Time
}

// faults are the rows of the table, those that take longest first.
func faults() []fault {
	var all []fault
	for _, some := range [][]fault{vaultFaults(), leaseFaults(), hostFaults(), applicationFaults()} {
		all = append(all, some...)
	}
	return all
}

func TestFault(t *testing.T) {
	t.Parallel()
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.happen(t)
		})
	}
}

// happen lets the fault happen and checks what the application saw, that all is
// well again in time, that no secret was logged, and that nothing is left.
func (f fault) happen(t *testing.T) {
	o := f.setup
	if o.managed == nil {
		o.managed = &managed{}
	}
	r := start(t, o)
	r.eventually("all is well before", 15*time.Second, r.well)
	r.load()
	began := time.Now()
	from := f.do(r)
	r.recovers(time.Until(from.Add(f.within)))
	well := time.Now()
	lost := r.failures.since(began)
	t.Logf("well again after %s (bound %s); %d of %d requests failed, over %s (bound %s)", well.Sub(from).Round(time.Millisecond), f.within,
		len(lost), r.requests.Load(), span(lost).Round(time.Millisecond), f.refused)
	if span(lost) > f.refused || f.refused == 0 && len(lost) > 0 {
		t.Errorf("requests failed over %s, the first with %s", span(lost), lost[0].text)
	}
	if n := r.accounts(); n > 3 {
		t.Errorf("%d accounts at once", n)
	}
	if f.rotates {
		r.rotations(1, r.o.leaseMax+10*time.Second)
	}
	r.noFailures(well)
	r.nothingLeft()
}

// recovers waits until all is well.
func (r *rig) recovers(within time.Duration) {
	r.t.Helper()
	why := "?"
	defer func() {
		if r.t.Failed() {
			r.t.Log("ill because: " + why)
		}
	}()
	r.eventually("all is well again", within, func() bool { why = r.ill(); return why == "" })
}

// short is for faults that last: seconds, and as long as the issue says in the
// soak.
func short(d, long time.Duration) time.Duration {
	if os.Getenv("SOAK_MINUTES") != "" {
		return long
	}
	return d
}

// seconds is for tables.
func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// lives are leases that rotate within seconds.
func lives(token, lease float64) limits {
	return limits{seconds(token), 10 * seconds(token), seconds(lease), seconds(2 * lease)}
}

// another says whether the webapp uses another generation than before, which it
// has acknowledged.
func (r *rig) another(before generation) func() bool {
	return func() bool {
		now := r.generation()
		return now.Generation > before.Generation && now.Digest != "" && now.Digest != before.Digest
	}
}

// mustBe ends the test when a thing is not as it must be for the test to prove
// anything.
func (r *rig) mustBe(ok bool, format string, args ...any) {
	r.t.Helper()
	if !ok {
		r.t.Fatalf(format, args...)
	}
}

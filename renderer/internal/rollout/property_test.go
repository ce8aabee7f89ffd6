package rollout

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"vault-renderer/renderer/internal/destination"
)

// act is one thing that happens to a rollout: a try under some conditions.
type act struct {
	want    [3]int // versions of the files
	resume  bool   // take up what stands, if something does, instead
	check   bool   // the check refuses
	refuses int    // so many times the application can't be told
	takes   time.Duration
	late    time.Duration // until the application confirms; < 0 = never
	stop    time.Duration // the context ends then; 0 = it does not
	kills   bool          // the credentials of the acknowledged generation end before
	rename  string        // the file whose rename fails; "" = none
	record  Stage         // that can't be recorded; "" = all can
	crash   int           // dies before this operation on files; 0 = it does not
	repair  []int         // and then before these while it repairs
}

func acts(t *rapid.T) (script []act) {
	times := rapid.SampledFrom([]time.Duration{0, 0, time.Second, 20 * time.Second})
	version := rapid.IntRange(1, 3)
	rarely := rapid.Custom(func(t *rapid.T) bool { return rapid.IntRange(0, 4).Draw(t, "rarely") == 4 })
	one := rapid.Custom(func(t *rapid.T) act {
		a := act{
			want:    [3]int{version.Draw(t, "a"), version.Draw(t, "b"), version.Draw(t, "c")},
			resume:  rapid.Bool().Draw(t, "resume"),
			check:   rarely.Draw(t, "check"),
			refuses: rapid.SampledFrom([]int{0, 0, 1, 3, 9}).Draw(t, "refuses"),
			takes:   times.Draw(t, "takes"),
			late:    rapid.SampledFrom([]time.Duration{0, 0, 3 * time.Second, 40 * time.Second, -1}).Draw(t, "late"),
			kills:   rarely.Draw(t, "kills"),
			rename:  rapid.SampledFrom([]string{"", "", "", "a", "b", "c"}).Draw(t, "rename"),
			record:  rapid.SampledFrom([]Stage{"", "", "", "", Placing, Placed, GoingBack, Done, Back}).Draw(t, "record"),
		}
		if rapid.Bool().Draw(t, "stops") {
			a.stop = time.Duration(rapid.IntRange(1, 60_000).Draw(t, "ms")) * time.Millisecond
		}
		if rarely.Draw(t, "crashes") {
			a.crash = rapid.IntRange(1, 25).Draw(t, "crash")
			a.repair = rapid.SliceOfN(rapid.IntRange(1, 8), 0, 3).Draw(t, "repair")
		}
		return a
	})
	return rapid.SliceOfN(one, 1, 12).Draw(t, "script")
}

// model is what must be true of a world.
type model struct {
	*world
	n       uint64
	acked   contents // what the application uses
	ackedN  uint64
	dead    bool     // its credentials have ended
	stands  Journal  // what is not settled
	onDisk  contents // when the act began
	blind   bool     // a record failed since the last ack: not everything can be known after a crash
	problem string
}

func (m *model) fail(format string, args ...any) {
	if m.problem == "" {
		m.problem = fmt.Sprintf(format, args...)
	}
}

// TestAnyScript: no interleaving of tries, failures, refusals, ends and crashes
// breaks what Attempt promises.
func TestAnyScript(t *testing.T) {
	w := newWorld(t, "a", "b", "c")
	rapid.Check(t, func(rt *rapid.T) {
		script := acts(rt)
		there := rapid.SampledFrom([]contents{{}, {"a": "canary-a-0"}, {"a": "canary-a-0", "b": "canary-b-0", "c": "canary-c-0"}}).Draw(rt, "there")
		var problem string
		var at int
		synctest.Test(t, func(t *testing.T) {
			*w = world{dir: w.dir, names: w.names}
			destination.Sweep(w.path("a"), w.path("b"), w.path("c"))
			w.put(t, there)
			m := &model{world: w, acked: there}
			for at = 0; at < len(script) && m.problem == ""; at++ {
				m.play(t.Context(), script[at])
			}
			if m.problem == "" {
				m.settles(t.Context())
			}
			problem = m.problem
		})
		if problem != "" {
			rt.Fatalf("act %d: %s", at-1, problem)
		}
	})
}

// play does one act and looks at what became of it.
func (m *model) play(ctx context.Context, x act) {
	m.dead = m.dead || x.kills
	m.onDisk = m.look()
	m.failRename, m.refuseRecord = x.rename, map[Stage]bool{x.record: true}
	m.blind = m.blind || x.record != ""
	m.operations, m.crashAt = 0, x.crash
	m.app = app{refuses: x.refuses, takes: x.takes, late: x.late}
	a, want := m.next(x)
	var r Result
	died := survive(func() { r = m.run(ctx, a, x) })
	m.failRename, m.refuseRecord, m.crashAt = "", nil, 0
	m.wantWholeSeen(want)
	if died {
		m.afterCrash(x, want)
		return
	}
	m.judge(r, a, want)
	m.stands = r.Journal
	m.wantTidy()
}

// next is the Attempt of x, and what it wants in the files.
func (m *model) next(x act) (*Attempt, contents) {
	want := contents{}
	for i, n := range m.names {
		want[n] = fmt.Sprintf("canary-%s-%d", n, x.want[i])
	}
	resume := x.resume && m.stands.Open()
	if resume {
		want = m.onDisk
	}
	m.n++
	a := m.attempt(m.n, want)
	a.Acked, a.Dead = m.ackedN, func() bool { return m.dead }
	a.Hooks[0].Retries = 3
	if x.check {
		a.Checks = []Checker{&looker{err: errTest}}
	}
	switch stands := m.stands; {
	case resume:
		a.Resume = &stands
	case stands.Open():
		a.Over = &stands
	}
	return a, want
}

// run ends soon after its context (I5).
func (m *model) run(ctx context.Context, a *Attempt, x act) Result {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if x.stop > 0 {
		defer time.AfterFunc(x.stop, func() { cancel(ErrSuperseded) }).Stop()
	}
	begin := time.Now()
	r := a.Run(ctx)
	if took := time.Since(begin); x.stop > 0 && took > x.stop || took > 5*time.Minute {
		m.fail("Run took %s; its context ended after %s", took, x.stop)
	}
	return r
}

// wantWholeSeen: whenever the application was told, it saw one generation.
func (m *model) wantWholeSeen(want contents) {
	for _, saw := range m.app.saw {
		if !saw.is(want) && !saw.is(m.acked) {
			m.fail("told, the application saw %v; wanted %v, acknowledged %v", saw, want, m.acked)
		}
	}
}

// judge compares the outcome with the files.
func (m *model) judge(r Result, a *Attempt, want contents) {
	got, back := m.look(), false
	allowed := m.onDisk
	switch r.Outcome {
	case Acked:
		allowed = want
	case Kept:
		allowed = want
		if !m.dead && len(m.acked) > 0 && !m.blind {
			m.fail("kept, although there is a way back: %v", r.Err)
		}
		m.dead = true // it has no way back from now on
	case Refused:
		allowed, back = m.acked, true
	case Stopped:
		if r.Journal.Stage == GoingBack {
			allowed, back = m.acked, true
		} else if r.Journal.Stage == Placed && (a.Resume != nil || r.Journal.Generation.N == a.Generation.N) {
			allowed = want
		}
	case NotPlaced:
		if a.Resume != nil {
			m.fail("what stands could not be resumed: %v", r.Err)
		}
	}
	if !got.is(allowed) {
		m.fail("%s: the files hold %v, want %v (%v)", r.Outcome, got, allowed, r.Err)
	}
	if back && m.dead && a.Resume == nil && m.stands.Stage != GoingBack {
		m.fail("back to dead credentials: %s", r.Outcome)
	}
	if r.Outcome == Acked || r.Outcome == Unchanged {
		m.confirmed(got, a.Generation.N)
	}
}

func (m *model) confirmed(c contents, n uint64) {
	if !c.is(m.acked) || n != m.ackedN {
		m.acked, m.ackedN = c, n
	}
	m.dead, m.blind = false, m.blind && m.journal().Open()
}

// wantTidy: beside the files lies what is needed to go on, and nothing else.
func (m *model) wantTidy() {
	needed, there := m.stands.Hidden(), m.hidden()
	slices.Sort(needed)
	needed = slices.Compact(needed)
	if m.blind { // what an ack let go of may still be on record
		needed = slices.DeleteFunc(needed, func(p string) bool { return !slices.Contains(there, p) })
	}
	if !slices.Equal(needed, there) {
		m.fail("beside the files %v; needed %v (at %q)", there, needed, m.stands.Stage)
	}
}

// afterCrash is what a new process does first.
func (m *model) afterCrash(x act, want contents) {
	for _, at := range x.repair {
		m.operations, m.crashAt = 0, at
		survive(func() { _, _ = repair(m.journal(), m.probe) })
	}
	m.crashAt = 0
	j, err := Repair(m.journal())
	if err != nil {
		m.fail("repair: %v", err)
	}
	for _, n := range m.names {
		destination.SweepExcept(j.Hidden(), m.path(n))
	}
	if err := m.record(j.clone()); err != nil {
		m.fail("%v", err)
	}
	got := m.look()
	if !got.is(want) && !got.is(m.acked) && !got.is(m.onDisk) {
		m.fail("after a crash, at %q: %v; wanted %v, acknowledged %v, before %v", j.Stage, got, want, m.acked, m.onDisk)
	}
	m.stands = Journal{}
	switch {
	case j.Open():
		m.stands = j
	case got.is(m.acked): // back, or nothing happened
	case j.Stage == Done:
		m.confirmed(got, j.Generation.N)
	default:
		m.fail("nobody knows that %v is not acknowledged", got)
	}
	m.wantTidy()
}

// settles: in the end an application that does what it should gets what is
// wanted, and nothing is left beside the files.
func (m *model) settles(ctx context.Context) {
	m.play(ctx, act{want: [3]int{1, 2, 3}})
	if !m.acked.is(contents{"a": "canary-a-1", "b": "canary-b-2", "c": "canary-c-3"}) || m.stands.Open() {
		m.fail("it does not settle: %v, %q", m.acked, m.stands.Stage)
	}
	if left := m.hidden(); len(left) > 0 {
		m.fail("left behind: %v", left)
	}
}

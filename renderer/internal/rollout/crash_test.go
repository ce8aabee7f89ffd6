package rollout

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/destination"
)

// story is something that happens to a rollout, in which the process may die.
type story struct {
	prepare func(w *world) // before it; never dies
	tell    func(ctx context.Context, w *world)
	oneWay  bool // the way back may be given up
}

// newer puts generation three over two, which nobody acknowledged.
func newer(change func(w *world, a *Attempt)) func(context.Context, *world) {
	return func(ctx context.Context, w *world) {
		a := w.attempt(3, generationThree())
		if j := w.journal(); j.Open() {
			a.Over, a.Acked = &j, 1
		}
		change(w, a)
		a.Run(ctx)
	}
}

func stories() map[string]story {
	leaveTwo := func(w *world) {
		ctx, cancel := context.WithCancelCause(context.Background())
		defer time.AfterFunc(time.Second, func() { cancel(ErrSuperseded) }).Stop()
		w.app = app{late: -1}
		w.attempt(2, generationTwo()).Run(ctx)
		w.app = app{}
	}
	keepTwo := func(w *world) {
		w.app = app{refuses: 1}
		a := w.attempt(2, generationTwo())
		a.Dead = func() bool { return true }
		a.Run(context.Background())
		w.app = app{}
	}
	nothing := func(*world) {}
	calm := func(*world, *Attempt) {}
	refused := func(w *world, _ *Attempt) { w.app.refuses = 1 }
	dead := func(w *world, a *Attempt) { w.app.refuses, a.Dead = 1, func() bool { return true } }
	breaks := func(name string) func(*world, *Attempt) {
		return func(w *world, _ *Attempt) { w.failRename = name }
	}
	backup := func(_ *world, a *Attempt) {
		for i := range a.Outputs {
			a.Outputs[i].File.Perms, a.Outputs[i].File.Backup = 0o640, true
		}
	}
	all := map[string]story{}
	for name, change := range map[string]func(*world, *Attempt){
		"acked": calm, "refused": refused, "dead": dead, "breaks at a": breaks("a"), "breaks at c": breaks("c"), "attributes": backup,
	} {
		all[name] = story{nothing, newer(change), name == "dead"}
		all[name+" over an open one"] = story{leaveTwo, newer(change), name == "dead"}
		all[name+" over a kept one"] = story{keepTwo, newer(change), true}
	}
	return all
}

// TestCrash lets the process die before every single operation on files, and
// again and again while it repairs: the files are of one generation in the end,
// and a try goes on from there.
func TestCrash(t *testing.T) {
	for name, s := range stories() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "a", "b", "c")
			at, died := 0, true
			for died {
				at++
				synctest.Test(t, func(t *testing.T) { died = dieAt(t, w, s, at) })
				if t.Failed() {
					t.Fatalf("died before operation %d: %s", at, w.ops)
				}
			}
			if at < 10 {
				t.Errorf("only %d operations: %s", at, w.ops)
			}
		})
	}
}

// dieAt plays s in a fresh world until operation number at.
func dieAt(t *testing.T, w *world, s story, at int) (died bool) {
	*w = world{dir: w.dir, names: w.names}
	destination.Sweep(w.path("a"), w.path("b"), w.path("c"))
	w.put(t, generationOne())
	s.prepare(w)
	w.operations, w.ops, w.crashAt = 0, nil, at
	died = survive(func() { s.tell(t.Context(), w) })
	w.crashAt, w.failRename = 0, ""
	w.app = app{w: w}
	j := repairDying(t, w)
	standing := w.wantWhole(t, j)
	for _, n := range w.names {
		destination.SweepExcept(j.Hidden(), w.path(n))
	}
	w.want(t, standing, j)
	if j.OneWay && !s.oneWay {
		t.Error("the way back was given up")
	}
	w.goesOn(t, j, standing)
	return died
}

// repairDying repairs what is on record, dying at every single operation first.
func repairDying(t *testing.T, w *world) Journal {
	t.Helper()
	var j Journal
	for m := 1; ; m++ {
		w.operations, w.crashAt = 0, m
		var err error
		if !survive(func() { j, err = repair(w.journal(), w.probe) }) {
			if err != nil {
				t.Errorf("repair: %v", err)
			}
			break
		}
	}
	w.crashAt = 0
	again, err := Repair(w.journal()) // the result was not written down
	if err != nil || again.Stage != j.Stage {
		t.Errorf("repaired to %q, and again to %q: %v", j.Stage, again.Stage, err)
	}
	twice, err := Repair(j)
	if err != nil || !reflect.DeepEqual(twice, again) {
		t.Errorf("what is repaired is repaired otherwise: %+v and %+v, %v", twice, again, err)
	}
	return twice
}

// wantWhole wants the files to be of the generation that j says.
func (w *world) wantWhole(t *testing.T, j Journal) contents {
	t.Helper()
	got := w.look()
	for n, c := range []contents{generationOne(), generationTwo(), generationThree()} {
		if !got.is(c) {
			continue
		}
		if stands := j.Generation.N; j.Stage == Placed && stands != uint64(n+1) || j.Stage == GoingBack && n != 0 {
			t.Errorf("the files are of generation %d, the journal says %d %s", n+1, stands, j.Stage)
		}
		return got
	}
	t.Errorf("the files are of no generation: %v", got)
	return got
}

// goesOn takes up what stands: the application refuses it, which leads back to
// the first generation where there is a way; else it accepts it.
func (w *world) goesOn(t *testing.T, j Journal, standing contents) {
	t.Helper()
	if !j.Open() {
		return
	}
	a := w.attempt(j.Generation.N, standing)
	a.Resume, w.app.refuses = &j, 1
	r := a.Run(t.Context())
	switch {
	case j.Stage == GoingBack || !j.OneWay:
		if r.Outcome != Refused {
			t.Errorf("from %s to %s: %v", j.Stage, r.Outcome, r.Err)
		}
		w.want(t, generationOne(), Journal{})
	default:
		if r.Outcome != Kept {
			t.Errorf("without a way back: %s: %v", r.Outcome, r.Err)
		}
		a.Resume = &r.Journal
		if r := a.Run(t.Context()); r.Outcome != Acked {
			t.Errorf("kept, and then %s: %v", r.Outcome, r.Err)
		}
		w.want(t, standing, Journal{})
	}
}

// A journal that could not be written any more after the first rename: the files
// tell how far it was.
func TestCrashUnrecorded(t *testing.T) {
	for name, s := range stories() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "a", "b", "c")
			at, died := 0, true
			for died {
				at++
				synctest.Test(t, func(t *testing.T) {
					*w = world{dir: w.dir, names: w.names}
					destination.Sweep(w.path("a"), w.path("b"), w.path("c"))
					w.put(t, generationOne())
					s.prepare(w)
					w.refuseRecord = map[Stage]bool{Placed: true, GoingBack: true, Done: true, Back: true}
					w.operations, w.ops, w.crashAt = 0, nil, at
					died = survive(func() { s.tell(t.Context(), w) })
					w.failRename = ""
					w.wantWholeUnrecorded(t, repairDying(t, w))
				})
				if t.Failed() {
					t.Fatalf("died before operation %d: %s", at, fmt.Sprint(w.ops))
				}
			}
		})
	}
}

func (w *world) wantWholeUnrecorded(t *testing.T, j Journal) {
	t.Helper()
	got := w.look()
	if !got.is(generationOne()) && !got.is(generationTwo()) && !got.is(generationThree()) {
		t.Errorf("at %q the files are of no generation: %v", j.Stage, got)
	}
}

package rollout

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"vault-renderer/renderer/internal/destination"
)

// obstruct puts a directory where a file is, at an operation that begins so.
func (w *world) obstruct(name, at string) func(string) {
	return func(op string) {
		if strings.HasPrefix(op, at) {
			_ = os.Remove(w.path(name))
			_ = os.MkdirAll(w.path(name)+"/x", 0o700)
		}
		w.probe(op)
	}
}

// What is in the way of keeping leaves nothing behind.
func TestKeepFails(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.attempt(2, generationTwo())
		a.probe = w.obstruct("b", "keep "+w.path("b"))
		wantResult(t, a.Run(t.Context()), NotPlaced, "", "keep what is there")
		if got := w.hidden(); len(got) > 0 || w.look()["a"] != "canary-a1" || len(w.stages) > 0 {
			t.Errorf("left behind %v, files %v, recorded %v", got, w.look(), w.stages)
		}
	})
}

// When even putting back fails, the journal stays open until it works.
func TestPuttingBackFails(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.attempt(2, generationTwo())
		w.failRename = "b"
		a.probe = w.obstruct("a", "rename "+w.path("b"))
		r := a.Run(t.Context())
		wantResult(t, r, NotPlaced, Placing, "may be of different generations", "put back "+w.path("a"))
		again := w.attempt(3, generationThree())
		again.Over = &r.Journal
		r = again.Run(t.Context())
		wantResult(t, r, NotPlaced, Placing, "repair generation 2", "put back "+w.path("a"))
		again.Over, again.Resume = nil, &r.Journal
		r = again.Run(t.Context())
		wantResult(t, r, NotPlaced, Placing, "put back "+w.path("a"))
		if err := os.RemoveAll(w.path("a")); err != nil {
			t.Fatal(err)
		}
		again.Resume = &r.Journal
		wantResult(t, again.Run(t.Context()), NotPlaced, "", "was taken back")
		w.want(t, generationOne(), Journal{})
	})
}

// A journal that is settled already needs nothing any more.
func TestSettledJournals(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		wantResult(t, w.attempt(2, generationTwo()).Run(t.Context()), Acked, "")
		j := w.journal()
		if j.Stage != Done {
			t.Fatalf("%+v", j)
		}
		a := w.attempt(2, generationTwo())
		a.Resume = &j
		wantResult(t, a.Run(t.Context()), Acked, "")
		a.Resume, a.Over = nil, &j
		wantResult(t, a.Run(t.Context()), Unchanged, "")
		if len(w.app.told) != 1 {
			t.Errorf("told %d times", len(w.app.told))
		}
	})
}

// Contexts that ended before the first rename, at each place where one is seen.
func TestStoppedBeforePlacing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancelCause(t.Context())
		a := w.attempt(2, generationTwo())
		a.Record = func(Journal) error {
			cancel(errTest)
			return ctx.Err()
		}
		wantResult(t, a.Run(ctx), Stopped, "", "test")
		wantResult(t, a.Run(ctx), Stopped, "", "test")
		w.want(t, generationOne(), Journal{})
	})
}

// A file of a superseded generation is told of, although it is in place already.
func TestOverTellsOfAll(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := generationTwo()
		c["c"] = "canary-c3"
		a := w.attempt(3, c)
		a.Over = superseded(t, w)
		a.Hooks[0].Files = []string{w.path("a")}
		wantResult(t, a.Run(t.Context()), Acked, "")
		if len(w.app.told) != 1 {
			t.Errorf("told %d times", len(w.app.told))
		}
	})
}

// Files that somebody removed or changed meanwhile don't have the others go back.
func TestRepairKnowsOthersHands(t *testing.T) {
	for name, c := range map[string]struct {
		before contents
		after  func(w *world) error
		stage  Stage
	}{
		"edited":                  {generationOne(), func(w *world) error { return os.WriteFile(w.path("a"), []byte("x"), 0o600) }, Placed},
		"removed":                 {generationOne(), func(w *world) error { return os.Remove(w.path("a")) }, Placed},
		"removed, nothing before": {nil, func(w *world) error { return os.Remove(w.path("a")) }, Placed},
		"restored by hand":        {generationOne(), func(w *world) error { return os.WriteFile(w.path("a"), []byte("canary-a1"), 0o600) }, GoingBack},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.put(t, c.before)
				superseded(t, w)
				if err := c.after(w); err != nil {
					t.Fatal(err)
				}
				j, err := Repair(w.journal())
				if err != nil || j.Stage != c.stage {
					t.Errorf("%q, %v", j.Stage, err)
				}
				if c.stage == GoingBack {
					w.want(t, generationOne(), j)
				}
			})
		})
	}
}

// What is gone can't be put back, and stops nobody: going back ends.
func TestGoingBackWithoutWay(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		superseded(t, w)
		j := w.journal()
		j.Stage = GoingBack
		destination.Sweep(w.path("a"), w.path("b"))
		if again, err := Repair(j); err != nil || again.Stage != GoingBack {
			t.Errorf("%q, %v", again.Stage, err)
		}
		a := w.attempt(3, generationThree())
		a.Over = &j
		wantResult(t, a.Run(t.Context()), Acked, "")
		w.want(t, generationThree(), Journal{})
	})
}

// The backup beside a destination is the generation before, also with a way back.
func TestBackup(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.attempt(2, generationTwo())
		a.Outputs[0].File.Backup = true
		wantResult(t, a.Run(t.Context()), Acked, "")
		w.want(t, generationTwo(), Journal{})
		if b, err := os.ReadFile(w.path("a") + ".bak"); err != nil || string(b) != "canary-a1" {
			t.Errorf("%q, %v", b, err)
		}
	})
}

// What could not be recorded is recorded before anything is put over it.
func TestOverUnrecorded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.attempt(3, generationThree())
		a.Over = superseded(t, w)
		w.refuseRecord, w.app.late = map[Stage]bool{Placed: true}, -1
		r := stopAfter(t, a, 1, ErrSuperseded)
		wantResult(t, r, Stopped, Placed, "newer", `at "placed"`)
		w.want(t, generationThree(), r.Journal)
		a = w.attempt(4, generationTwo())
		a.Over = &r.Journal
		wantResult(t, a.Run(t.Context()), NotPlaced, Placed, `at "placed"`)
		w.want(t, generationThree(), r.Journal)
		w.refuseRecord, w.app = nil, app{w: w, refuses: 1}
		wantResult(t, a.Run(t.Context()), Refused, "", "refuses")
		w.want(t, generationOne(), Journal{})
	})
}

func TestOutcomeString(t *testing.T) {
	var seen []string
	for o := goOn; o <= Stopped; o++ {
		if s := o.String(); s == "" || slices.Contains(seen, s) {
			t.Errorf("%d is %q", o, s)
		} else {
			seen = append(seen, s)
		}
	}
}

func TestChain(t *testing.T) {
	other := errors.New("other")
	if err := chain(nil, errTest, nil, other); err.Error() != "test; other" || !errors.Is(err, other) {
		t.Errorf("%v", err)
	}
	if chain(nil, nil) != nil {
		t.Error("none is one")
	}
}

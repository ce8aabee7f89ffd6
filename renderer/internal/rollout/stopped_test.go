package rollout

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/destination"
)

// stopAfter runs a and ends its context after d. Run must not dawdle.
func stopAfter(t *testing.T, a *Attempt, d time.Duration, cause error) Result {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	timer := time.AfterFunc(d, func() { cancel(cause) })
	defer timer.Stop()
	begin := time.Now()
	r := a.Run(ctx)
	if took := time.Since(begin); took != d {
		t.Errorf("Run took %s, its context ended after %s", took, d)
	}
	return r
}

// sleeper is a check that takes its time.
type sleeper time.Duration

func (s sleeper) Run(ctx context.Context, _ generation) error {
	if !pause(ctx, time.Duration(s)) {
		return ctx.Err()
	}
	return nil
}

// The end of the context leaves nothing before the renames, and afterwards what
// can be resumed.
func TestStopped(t *testing.T) {
	for name, c := range map[string]struct {
		slow  func(w *world, a *Attempt)
		stage Stage
	}{
		"checking":       {func(_ *world, a *Attempt) { a.Checks = []Checker{sleeper(time.Hour)} }, ""},
		"before telling": {func(_ *world, a *Attempt) { a.Splay, a.Rand = time.Hour, func() float64 { return 0.5 } }, Placed},
		"telling":        {func(w *world, _ *Attempt) { w.app.takes = time.Hour }, Placed},
		"between tries":  {func(w *world, a *Attempt) { w.app.refuses, a.Hooks[0].Retries = 1000, 1000 }, Placed},
		"asking":         {func(w *world, a *Attempt) { w.app.late, a.Acks[0].Timeout = -1, time.Hour }, Placed},
		"telling again":  {func(w *world, a *Attempt) { a.Acks[0].Acker, w.app.takes = &app{late: -1}, 4*time.Second }, GoingBack},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.attempt(2, generationTwo())
				c.slow(w, a)
				r := stopAfter(t, a, 15*time.Second, errTest)
				wantResult(t, r, Stopped, c.stage, "test")
				if !errors.Is(r.Err, errTest) {
					t.Errorf("another cause: %v", r.Err)
				}
				if c.stage != Placed {
					w.want(t, generationOne(), r.Journal)
				} else {
					w.want(t, generationTwo(), r.Journal)
				}
				if !r.Journal.Open() {
					return
				}
				a = w.attempt(2, generationTwo())
				a.Resume, w.app = &r.Journal, app{w: w}
				r = a.Run(t.Context())
				if c.stage == GoingBack {
					wantResult(t, r, Refused, "", "interrupted")
					w.want(t, generationOne(), Journal{})
				} else {
					wantResult(t, r, Acked, "")
					w.want(t, generationTwo(), Journal{})
				}
				if !slices.Equal(r.Changed, []bool{true, true, false}) || len(w.app.told) != 1 {
					t.Errorf("changed %v, told %v", r.Changed, w.app.told)
				}
			})
		})
	}
}

// superseded gives what stands after generation two was put in place and newer
// contents came.
func superseded(t *testing.T, w *world) *Journal {
	t.Helper()
	w.app.late = -1
	r := stopAfter(t, w.attempt(2, generationTwo()), 5*time.Second, ErrSuperseded)
	wantResult(t, r, Stopped, Placed, "newer contents")
	w.app = app{w: w}
	return &r.Journal
}

// A refusal of what was put over an unacknowledged generation goes back to the
// acknowledged one; an ack settles both.
func TestOver(t *testing.T) {
	for name, c := range map[string]struct {
		breaks  func(w *world, a *Attempt)
		outcome Outcome
		stage   Stage
		want    contents
		told    int
	}{
		"acked":        {func(*world, *Attempt) {}, Acked, "", generationThree(), 1},
		"refused":      {func(w *world, _ *Attempt) { w.app.refuses = 1 }, Refused, "", generationOne(), 2},
		"check failed": {func(_ *world, a *Attempt) { a.Checks = []Checker{&looker{err: errTest}} }, CheckFailed, Placed, generationTwo(), 0},
		"not placed":   {func(w *world, _ *Attempt) { w.failRename = "c" }, NotPlaced, Placed, generationTwo(), 0},
		"unrecorded":   {func(w *world, _ *Attempt) { w.refuseRecord = map[Stage]bool{Placing: true} }, NotPlaced, Placed, generationTwo(), 0},
		"dead":         {func(w *world, a *Attempt) { w.app.refuses, a.Dead = 1, func() bool { return true } }, Kept, Placed, generationThree(), 1},
		"the same": {func(w *world, a *Attempt) {
			a.Outputs = w.outputs(generationTwo())
		}, Acked, "", generationTwo(), 1},
		"the same, refused": {func(w *world, a *Attempt) {
			a.Outputs, w.app.refuses = w.outputs(generationTwo()), 1
		}, Refused, "", generationOne(), 2},
		"without a file": {func(w *world, a *Attempt) {
			a.Outputs, w.app.refuses = w.outputs(generationThree())[1:], 1
		}, Refused, "", generationOne(), 2},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.attempt(3, generationThree())
				a.Over, a.Acked = superseded(t, w), 1
				c.breaks(w, a)
				r := a.Run(t.Context())
				if r.Outcome != c.outcome || r.Journal.Stage != c.stage || len(w.app.told) != c.told {
					t.Errorf("%s at %q, told %d times: %v", r.Outcome, r.Journal.Stage, len(w.app.told), r.Err)
				}
				w.want(t, c.want, r.Journal)
				if c.stage == "" {
					return
				}
				w.refuseRecord, w.app = nil, app{w: w}
				a.Resume = &r.Journal
				wantResult(t, a.Run(t.Context()), Acked, "")
				w.want(t, c.want, Journal{})
			})
		})
	}
}

// Contents that came while the application was told that the earlier files are
// back: it is told of them even when they are the same as those.
func TestOverGoingBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.attempt(2, generationTwo())
		a.Acks[0].Acker, w.app.takes = &app{late: -1}, 4*time.Second
		r := stopAfter(t, a, 15*time.Second, ErrSuperseded)
		wantResult(t, r, Stopped, GoingBack, "newer contents", "did not confirm")
		w.app = app{w: w}
		a = w.attempt(3, generationOne())
		a.Over = &r.Journal
		wantResult(t, a.Run(t.Context()), Acked, "")
		w.want(t, generationOne(), Journal{})
		if len(w.app.told) != 1 {
			t.Errorf("told %d times", len(w.app.told))
		}
	})
}

// What was superseded over and over piles up nothing.
func TestSupersededOften(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		over := superseded(t, w)
		for i := range uint64(20) {
			c := generationThree()
			c["a"] += string(rune('a' + i))
			a := w.attempt(3+i, c)
			a.Over, w.app.late = over, -1
			r := stopAfter(t, a, time.Second, ErrSuperseded)
			w.want(t, c, r.Journal)
			if got := len(w.hidden()); got != 2 {
				t.Fatalf("%d hidden files for the two that were there", got)
			}
			over = &r.Journal
		}
		a := w.attempt(30, generationThree())
		a.Over, w.app = over, app{w: w, refuses: 1}
		wantResult(t, a.Run(t.Context()), Refused, "", "refuses")
		w.want(t, generationOne(), Journal{})
	})
}

// Each hook is run for its own files.
func TestTellings(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		apps := make([]app, 5)
		a := w.attempt(2, generationTwo())
		a.Hooks, a.Splay, a.Rand = nil, time.Minute, func() float64 { return 0.25 }
		for i := range apps {
			apps[i].w = w
			a.Hooks = append(a.Hooks, Telling{Hook: &apps[i]})
		}
		a.Hooks[0].Files = []string{w.path("a"), w.path("c")}
		a.Hooks[1].Files = []string{w.path("c")}
		a.Hooks[2].Files, a.Hooks[2].Always = []string{w.path("c")}, true
		a.Hooks[3].Hook = struct{ hook }{&apps[3]} // one that takes no generation
		begin := time.Now()
		wantResult(t, a.Run(t.Context()), Acked, "")
		for i, want := range []int{1, 0, 1, 0, 1} {
			if got := len(apps[i].told); got != want {
				t.Errorf("hook %d was run %d times", i, got)
			}
		}
		if apps[3].plain != 1 || time.Since(begin) != 15*time.Second {
			t.Errorf("plain %d, took %s", apps[3].plain, time.Since(begin))
		}
	})
}

// Once the files are in place, a journal that can't be written stops nobody.
func TestRecordFailsLater(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.refuseRecord = map[Stage]bool{Placed: true, GoingBack: true, Done: true, Back: true}
		wantResult(t, w.attempt(2, generationTwo()).Run(t.Context()), Acked, "", `at "placed"`, `at "acked"`)
		w.want(t, generationTwo(), Journal{})
		w.app.refuses = 1
		r := w.attempt(3, generationThree()).Run(t.Context())
		wantResult(t, r, Refused, GoingBack, "refuses", `at "going back"`, `at "back"`)
		w.want(t, generationTwo(), r.Journal)
		w.refuseRecord = nil
		a := w.attempt(3, generationThree())
		a.Resume = &r.Journal
		wantResult(t, a.Run(t.Context()), Refused, "", "interrupted")
		w.want(t, generationTwo(), Journal{})
	})
}

// An Attempt without anything optional.
func TestBare(t *testing.T) {
	w := newWorld(t, "a")
	c := contents{"a": "canary-1"}
	wantResult(t, (&Attempt{Outputs: w.outputs(c)}).Run(t.Context()), Acked, "")
	wantResult(t, (&Attempt{Outputs: w.outputs(c)}).Run(t.Context()), Unchanged, "")
	wantResult(t, (&Attempt{}).Run(t.Context()), Unchanged, "")
	w.want(t, c, Journal{})
}

// Going back that fails at one file is not settled; it is finished later.
func TestGoingBackFails(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.attempt(2, generationTwo())
		a.Acks[0].Acker = obstacle{&w.app}
		r := a.Run(t.Context())
		wantResult(t, r, Refused, GoingBack, "not all earlier files are back", "put back "+w.path("b"))
		if err := os.RemoveAll(w.path("b")); err != nil {
			t.Fatal(err)
		}
		a.Resume = &r.Journal
		wantResult(t, a.Run(t.Context()), Refused, "", "interrupted")
		w.want(t, generationOne(), Journal{})
	})
}

// obstacle puts a directory where a file was.
type obstacle struct{ *app }

func (o obstacle) Wait(context.Context, generation) error {
	return errors.Join(errTest, os.Remove(o.w.path("b")), os.MkdirAll(o.w.path("b")+"/x", 0o700))
}

// A missing ack's time limit is a minute.
func TestAckTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		if err := (Asking{Acker: &app{late: -1}}).wait(t.Context(), generation{N: 7}); err == nil || time.Since(begin) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
	})
}

// The zero Journal, and one that is settled, need nothing.
func TestHidden(t *testing.T) {
	j := Journal{Stage: Placing, Files: []JournalFile{{
		Path: "/d/a", Temp: "/d/.a.1", Previous: destination.Previous{Path: "/d/a", Kept: "/d/.a.2"}, Before: destination.Previous{Path: "/d/a", Kept: "/d/.a.3"},
	}}}
	j.Over = &Journal{Stage: Placed, Files: []JournalFile{{Previous: destination.Previous{Path: "/d/a", Kept: "/d/.a.2"}}}}
	if got, want := j.Hidden(), []string{"/d/.a.1", "/d/.a.2", "/d/.a.3", "/d/.a.2"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	j.Stage = Back
	if got := append(j.Hidden(), (Journal{}).Hidden()...); len(got) > 0 {
		t.Errorf("settled: %v", got)
	}
}

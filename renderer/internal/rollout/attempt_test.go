package rollout

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/destination"
	"vault-renderer/renderer/internal/reload"
)

var errTest = errors.New("test")

// Three files: a changes, b is new, c stays.
func generationOne() contents { return contents{"a": "canary-a1", "c": "canary-c"} }

func generationTwo() contents {
	return contents{"a": "canary-a2", "b": "canary-b2", "c": "canary-c"}
}

func generationThree() contents {
	return contents{"a": "canary-a3", "b": "canary-b2", "c": "canary-c3"}
}

// inWorld runs f in fake time, with generation one in place.
func inWorld(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	w := newWorld(t, "a", "b", "c")
	synctest.Test(t, func(t *testing.T) {
		w.put(t, generationOne())
		f(t, w)
	})
}

// want compares the files, and has nothing lie beside them but what j needs.
func (w *world) want(t *testing.T, c contents, j Journal) {
	t.Helper()
	if got := w.look(); !got.is(c) {
		t.Errorf("the files hold %v, want %v", got, c)
	}
	needed := j.Hidden()
	slices.Sort(needed)
	if got := w.hidden(); !slices.Equal(got, needed) {
		t.Errorf("beside the files: %v, needed: %v", got, needed)
	}
}

func wantResult(t *testing.T, r Result, o Outcome, stage Stage, parts ...string) {
	t.Helper()
	if r.Outcome != o || r.Journal.Stage != stage {
		t.Errorf("%s with journal at %q (%v), want %s at %q", r.Outcome, r.Journal.Stage, r.Err, o, stage)
	}
	if (r.Err == nil) != (len(parts) == 0) {
		t.Errorf("error %v", r.Err)
		return
	}
	for _, p := range parts {
		if !strings.Contains(r.Err.Error(), p) {
			t.Errorf("error %q lacks %q", r.Err, p)
		}
	}
	if r.Err != nil && strings.Contains(r.Err.Error(), "canary-") {
		t.Errorf("a secret in the error: %v", r.Err)
	}
}

// looker is a check that notes what it sees.
type looker struct {
	err  error
	seen []reload.Generation
	held []string // contents of the staged files
}

func (l *looker) Run(_ context.Context, g reload.Generation) error {
	l.seen = append(l.seen, g)
	for _, f := range g.Files {
		b, err := os.ReadFile(f.Staged)
		if err != nil {
			return err
		}
		l.held = append(l.held, string(b))
	}
	return l.err
}

// The way that all is for: checked when staged, told and asked when in place.
func TestAcked(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var l looker
		a := w.attempt(2, generationTwo())
		a.Checks = []Checker{&l}
		w.app.late = 3 * time.Second
		begin := time.Now()
		r := a.Run(t.Context())
		wantResult(t, r, Acked, "")
		w.want(t, generationTwo(), Journal{})
		if !slices.Equal(r.Changed, []bool{true, true, false}) || time.Since(begin) != 3*time.Second {
			t.Errorf("changed %v, took %s", r.Changed, time.Since(begin))
		}
		if want := []Stage{Placing, Placed, Done}; !slices.Equal(w.stages, want) {
			t.Errorf("recorded %v, want %v", w.stages, want)
		}
		if strings.Contains(string(w.durable), "canary-") {
			t.Error("a secret in the journal")
		}
		if len(l.seen) != 1 || !slices.Equal(l.held, []string{"canary-a2", "canary-b2", "canary-c"}) {
			t.Fatalf("the check saw %v", l.held)
		}
		checked, told := l.seen[0], w.app.told[0]
		if told.N != 2 || told.Rollout != "app" || told.Digest != Digest(a.Outputs) || checked.Digest != told.Digest {
			t.Errorf("told %+v", told)
		}
		for i, f := range told.Files {
			if f.Staged != f.Path || f.Digest != destination.DigestOf(a.Outputs[i].Content) {
				t.Errorf("told of %+v", f)
			}
			if staged := checked.Files[i].Staged; (staged == f.Path) != (f.Path == w.path("c")) {
				t.Errorf("checked %s at %s", f.Path, staged)
			}
		}
		if !w.app.saw[0].is(generationTwo()) {
			t.Errorf("when it was told, the app saw %v", w.app.saw[0])
		}
	})
}

func TestUnchanged(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		l := looker{err: errTest}
		a := w.attempt(2, generationOne())
		a.Checks = []Checker{&l}
		r := a.Run(t.Context())
		wantResult(t, r, Unchanged, "")
		w.want(t, generationOne(), Journal{})
		if len(l.seen)+len(w.app.told)+len(w.stages) != 0 || slices.Contains(r.Changed, true) {
			t.Errorf("checked %v, told %v, recorded %v, changed %v", l.seen, w.app.told, w.stages, r.Changed)
		}
	})
}

func TestCheckFailed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first, second := looker{err: errTest}, looker{}
		a := w.attempt(2, generationTwo())
		a.Checks = []Checker{&first, &second}
		r := a.Run(t.Context())
		wantResult(t, r, CheckFailed, "", "what is in place stays", "test")
		if !errors.Is(r.Err, errTest) || len(second.seen) != 0 {
			t.Errorf("%v, second check %v", r.Err, second.seen)
		}
		w.want(t, generationOne(), Journal{})
		if len(w.app.told)+len(w.stages) != 0 {
			t.Errorf("told %v, recorded %v", w.app.told, w.stages)
		}
	})
}

// Whatever fails before and while renaming, what stood stands.
func TestNotPlaced(t *testing.T) {
	for name, c := range map[string]struct {
		breaks func(w *world, a *Attempt)
		part   string
		stages []Stage
	}{
		"staging":          {func(w *world, a *Attempt) { a.Outputs[2].File.Path = filepath.Join(w.dir, "no", "c") }, "open the directory", nil},
		"recording":        {func(w *world, _ *Attempt) { w.refuseRecord = map[Stage]bool{Placing: true} }, "no space left", nil},
		"the first rename": {func(w *world, _ *Attempt) { w.failRename = "a" }, "write", []Stage{Placing, Back}},
		"another rename":   {func(w *world, _ *Attempt) { w.failRename = "b" }, "write", []Stage{Placing, Back}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.attempt(2, generationTwo())
				c.breaks(w, a)
				r := a.Run(t.Context())
				wantResult(t, r, NotPlaced, "", c.part)
				w.want(t, generationOne(), Journal{})
				if slices.Contains(r.Changed, true) || len(w.app.told) != 0 || !slices.Equal(w.stages, c.stages) {
					t.Errorf("changed %v, told %v, recorded %v", r.Changed, w.app.told, w.stages)
				}
			})
		})
	}
}

// A hook is tried again; when it never succeeds, the files go back and the
// application is told of those.
func TestRefusedByHook(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.attempt(2, generationTwo())
		a.Hooks[0].Retries = 5
		w.app.refuses = 6
		begin := time.Now()
		r := a.Run(t.Context())
		wantResult(t, r, Refused, "", "could not be told", "the app refuses", "tries: 6")
		w.want(t, generationOne(), Journal{})
		var at []time.Duration
		for _, x := range w.app.at {
			at = append(at, x.Sub(begin)/time.Second)
		}
		if want := []time.Duration{0, 1, 3, 7, 15, 25, 25}; !slices.Equal(at, want) {
			t.Errorf("told after %v seconds, want %v", at, want)
		}
		again, one := w.app.told[6], w.outputs(generationOne())
		if again.N != 1 || again.Digest != Digest(one) || len(again.Files) != 2 || !w.app.saw[6].is(generationOne()) {
			t.Errorf("told again %+v", again)
		}
		if want := []Stage{Placing, Placed, GoingBack, Back}; !slices.Equal(w.stages, want) {
			t.Errorf("recorded %v, want %v", w.stages, want)
		}
	})
}

func TestHookSucceedsAtLast(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.attempt(2, generationTwo())
		a.Hooks[0].Retries, a.Acks = 2, nil
		w.app.refuses = 2
		wantResult(t, a.Run(t.Context()), Acked, "")
		w.want(t, generationTwo(), Journal{})
	})
}

// One ack of two is none.
func TestRefusedByAck(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.attempt(2, generationTwo())
		a.Acks = append(a.Acks, Asking{Acker: &app{late: -1}, Timeout: 20 * time.Second})
		begin := time.Now()
		wantResult(t, a.Run(t.Context()), Refused, "", "did not confirm generation 2 within 20s", "does not use")
		w.want(t, generationOne(), Journal{})
		if took := time.Since(begin); took != 20*time.Second || len(w.app.told) != 2 {
			t.Errorf("took %s, told %d times", took, len(w.app.told))
		}
	})
}

// The acker names itself, once.
func TestRefusedByAckOfAFile(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.attempt(2, generationTwo())
		a.Acks = []Asking{{Acker: &reload.AckFile{Path: "/nowhere/ack"}, Timeout: time.Second}}
		r := a.Run(t.Context())
		wantResult(t, r, Refused, "", "within 1s: ack from the file /nowhere/ack: no confirmation")
		if n := strings.Count(r.Err.Error(), "ack from"); n != 1 {
			t.Errorf("named %d times: %v", n, r.Err)
		}
	})
}

// A hook that hangs when the files are back is given up.
func TestRefusedAndNotToldAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.attempt(2, generationTwo())
		w.app.late, w.app.takes = -1, time.Hour
		a.Hooks = []Telling{{Hook: timeLimit{&w.app, 5 * time.Second}}, {Hook: &w.app}}
		begin := time.Now()
		wantResult(t, a.Run(t.Context()), Refused, "", "could not be told", "earlier files are back")
		if took := time.Since(begin); took != 5*time.Second+5*time.Second+retellTimeout {
			t.Errorf("took %s", took)
		}
		w.want(t, generationOne(), Journal{})
	})
}

// timeLimit is a hook with a time limit of its own.
type timeLimit struct {
	*app
	limit time.Duration
}

func (l timeLimit) RunFor(ctx context.Context, g reload.Generation) error {
	ctx, cancel := context.WithTimeout(ctx, l.limit)
	defer cancel()
	return l.app.RunFor(ctx, g)
}

// Without a way back the new files stay, and a later try goes on from there.
func TestKept(t *testing.T) {
	for name, c := range map[string]struct {
		breaks func(t *testing.T, w *world, a *Attempt)
		part   string
	}{
		"dead":  {func(_ *testing.T, _ *world, a *Attempt) { a.Dead = func() bool { return true } }, "credentials in the earlier ones have ended"},
		"first": {func(t *testing.T, w *world, _ *Attempt) { w.put(t, nil) }, "no earlier ones"},
		"lost": {func(_ *testing.T, w *world, a *Attempt) {
			a.Acks[0].Acker = sweeper{&w.app}
		}, "which held what"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.attempt(2, generationTwo())
				w.app.late = -1
				c.breaks(t, w, a)
				r := a.Run(t.Context())
				wantResult(t, r, Kept, Placed, "the new files stay", c.part)
				w.want(t, generationTwo(), Journal{})
				for range 2 { // also when its credentials are fine by now: there is nothing to go back to
					a.Resume, a.Dead = &r.Journal, nil
					r = a.Run(t.Context())
					wantResult(t, r, Kept, Placed, "no earlier ones")
				}
				w.app.late, a.Acks[0].Acker = 0, &w.app
				wantResult(t, a.Run(t.Context()), Acked, "")
				w.want(t, generationTwo(), Journal{})
				if len(w.app.told) != 4 {
					t.Errorf("told %d times", len(w.app.told))
				}
			})
		})
	}
}

// sweeper removes what was kept while it is asked.
type sweeper struct{ *app }

func (s sweeper) Wait(context.Context, reload.Generation) error {
	destination.Sweep(s.w.path("a"), s.w.path("b"), s.w.path("c"))
	return errTest
}

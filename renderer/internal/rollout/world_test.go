package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vault-renderer/renderer/internal/destination"
	"vault-renderer/renderer/internal/reload"
)

// world is a directory with the files of one rollout, an application that reads
// them, and what survives a crash.
type world struct {
	dir   string
	names []string

	app     app
	durable []byte // the journal that was recorded last, as JSON; nil = none
	stages  []Stage
	// refuseRecord makes recording these stages fail.
	refuseRecord map[Stage]bool
	failRename   string // the file whose rename fails
	crashAt      int    // the operation on files before which the process dies; 0 = none
	operations   int
	ops          []string
}

// contents of the files by name; "" = not there.
type contents map[string]string

// Short names for tests.
type (
	generation = reload.Generation
	hook       = reload.Hook
)

// crash is what a process that dies panics with.
type crash struct{}

func newWorld(t *testing.T, names ...string) *world {
	t.Helper()
	dir := t.TempDir()
	if shm, err := os.MkdirTemp("/dev/shm", "rollout"); err == nil { // nothing to sync: fast
		t.Cleanup(func() { _ = os.RemoveAll(shm) })
		dir = shm
	}
	return &world{dir: dir, names: names}
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// put makes the files be c, as somebody else would.
func (w *world) put(t *testing.T, c contents) {
	t.Helper()
	for _, n := range w.names {
		err := os.Remove(w.path(n))
		if c[n] != "" {
			err = os.WriteFile(w.path(n), []byte(c[n]), 0o600)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

// look reads the files.
func (w *world) look() contents {
	c := contents{}
	for _, n := range w.names {
		if b, err := os.ReadFile(w.path(n)); err == nil {
			c[n] = string(b)
		}
	}
	return c
}

func (c contents) is(d contents) bool {
	for _, n := range slices.Concat(keys(c), keys(d)) {
		if c[n] != d[n] {
			return false
		}
	}
	return true
}

func keys(c contents) (out []string) {
	for k := range c {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// hidden lists what lies beside the files.
func (w *world) hidden() (paths []string) {
	paths, _ = filepath.Glob(filepath.Join(w.dir, ".*"))
	slices.Sort(paths)
	return paths
}

// outputs are the files of a generation, in the order of the names.
func (w *world) outputs(c contents) (outs []Output) {
	for _, n := range w.names {
		if c[n] != "" {
			f := destination.File{Path: w.path(n), Perms: 0o600}
			outs = append(outs, Output{File: f, Content: []byte(c[n])})
		}
	}
	return outs
}

// attempt has one hook and one ack: the application.
func (w *world) attempt(n uint64, c contents) *Attempt {
	w.app.w = w
	return &Attempt{
		Generation: reload.Generation{N: n, Rollout: "app"},
		Acked:      n - 1,
		Outputs:    w.outputs(c),
		Hooks:      []Telling{{Hook: &w.app}},
		Acks:       []Asking{{Acker: &w.app, Timeout: 10 * time.Second}},
		Record:     w.record,
		probe:      w.probe,
	}
}

func (w *world) record(j Journal) error {
	if w.refuseRecord[j.Stage] {
		return fmt.Errorf("no space left on the device for %q", j.Stage)
	}
	w.stages = append(w.stages, j.Stage)
	raw, err := json.Marshal(j)
	w.durable = raw
	for i := range j.Files { // it is ours
		j.Files[i] = JournalFile{}
	}
	return err
}

// journal is what a new process finds.
func (w *world) journal() (j Journal) {
	if w.durable != nil {
		if err := json.Unmarshal(w.durable, &j); err != nil {
			panic(err)
		}
	}
	return j
}

// probe dies when it is time to, and breaks a rename.
func (w *world) probe(at string) {
	w.operations++
	w.ops = append(w.ops, at)
	if w.operations == w.crashAt {
		panic(crash{})
	}
	if w.failRename != "" && at == "rename "+w.path(w.failRename) {
		for _, p := range w.hidden() {
			if strings.HasPrefix(filepath.Base(p), "."+w.failRename+".") && strings.HasSuffix(p, ".tmp") {
				_ = os.Remove(p)
			}
		}
	}
}

// survive runs f until it ends or the process dies.
func survive(f func()) (died bool) {
	defer func() {
		r := recover()
		if _, died = r.(crash); r != nil && !died {
			panic(r)
		}
	}()
	f()
	return false
}

// app is an application that is told of its files, and says which it uses. It
// implements the hook and the acker.
type app struct {
	w       *world
	refuses int           // so many times it can't be told
	takes   time.Duration // to be told
	late    time.Duration // between being told and using the files; < 0 = never

	told  []reload.Generation
	at    []time.Time
	saw   []contents
	plain int // times that it was told without a generation
}

func (a *app) Key() string    { return "app" }
func (a *app) String() string { return "the app" }

func (a *app) Run(context.Context) error {
	a.plain++
	return nil
}

func (a *app) RunFor(ctx context.Context, g reload.Generation) error {
	a.told, a.at, a.saw = append(a.told, g), append(a.at, time.Now()), append(a.saw, a.w.look())
	if !pause(ctx, a.takes) {
		return ctx.Err()
	}
	if a.refuses > 0 {
		a.refuses--
		return errors.New("the app refuses")
	}
	return nil
}

func (a *app) Wait(ctx context.Context, g reload.Generation) error {
	if a.late < 0 || !pause(ctx, a.late) {
		<-ctx.Done()
		return fmt.Errorf("the app does not use %d: %w", g.N, ctx.Err())
	}
	return nil
}

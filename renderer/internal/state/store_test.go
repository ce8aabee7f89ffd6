package state_test

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vault-renderer/renderer/internal/state"
)

func TestSaveAndOpen(t *testing.T) {
	d := newDir(t)
	s, st := d.open(t)
	if st != nil {
		t.Fatal("a state out of nothing")
	}
	want := full()
	save(t, s, want)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := difference(&want, d.again(t)); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(d.path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(filepath.Dir(d.path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v", info.Mode(), err)
	}
	if d.log.Len() > 0 {
		t.Errorf("logged: %s", &d.log)
	}
}

// TestBindingIsHashed: what a state belongs to may hold addresses and names.
func TestBindingIsHashed(t *testing.T) {
	d := newDir(t)
	o := d.options()
	o.Binding = "https://vault.example role-id"
	s, _, err := state.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	save(t, s, small())
	if b := d.read(t); strings.Contains(string(b), "vault.example") {
		t.Errorf("in the file: %s", b)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestSaveSkips: the same state is not written again, unless somebody touched
// the file.
func TestSaveSkips(t *testing.T) {
	d := newDir(t)
	d.saved(t, small())
	before := stat(t, d.path)
	s, _ := d.open(t)
	defer s.Close()
	save(t, s, small()) // the same as was read
	if !os.SameFile(before, stat(t, d.path)) {
		t.Error("written although nothing changed")
	}
	other := small()
	other.Generation++
	save(t, s, other)
	after := stat(t, d.path)
	if os.SameFile(before, after) {
		t.Error("not written although something changed")
	}
	save(t, s, other)
	if !os.SameFile(after, stat(t, d.path)) {
		t.Error("written although nothing changed")
	}
	for name, spoil := range map[string]func() error{
		"removed":   func() error { return os.Remove(d.path) },
		"truncated": func() error { return os.Truncate(d.path, 3) },
		"opened up": func() error { return os.Chmod(d.path, 0o644) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		save(t, s, other)
		if info := stat(t, d.path); info.Mode() != 0o600 || info.Size() < 100 {
			t.Errorf("%s and not written again: %v, %d bytes", name, info.Mode(), info.Size())
		}
	}
}

func stat(t *testing.T, path string) fs.FileInfo {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// TestSaveFails: what was there stays, nothing else does, and the next Save is
// not taken for a repetition.
func TestSaveFails(t *testing.T) {
	d := newDir(t)
	s, _ := d.open(t)
	defer s.Close()
	save(t, s, small())
	bad := full()
	bad.Token.Life.IssuedAt = time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC) // JSON has no such year
	err := s.Save(bad)
	if err == nil || !strings.Contains(err.Error(), d.path) {
		t.Fatalf("%v", err)
	}
	mustHide(t, "the error", err.Error())
	huge := small()
	huge.Token.Value = state.Hide(strings.Repeat("x", 65<<20))
	if err := s.Save(huge); err == nil || !strings.Contains(err.Error(), "64 MiB") {
		t.Errorf("%v", err)
	}
	want := small()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := difference(&want, d.again(t)); diff != "" {
		t.Error(diff)
	}
	noOthers(t, d)
}

// noOthers looks for files that nobody should have left.
func noOthers(t *testing.T, d *dir) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(d.path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if n := e.Name(); n != "state" && n != "state.lock" {
			t.Errorf("left behind: %s", n)
		}
	}
}

// TestNoSpace: a full disk (here, a limit on a file's size) costs nothing but
// the newer state.
func TestNoSpace(t *testing.T) {
	d := newDir(t)
	s, _ := d.open(t)
	defer s.Close()
	save(t, s, small())
	before := d.read(t)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 64, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	err := s.Save(full())
	if rerr := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); rerr != nil {
		t.Fatal(rerr)
	}
	if err == nil {
		t.Fatal("no error")
	}
	mustHide(t, "the error", err.Error())
	if got := d.read(t); string(got) != string(before) {
		t.Error("the state that was there is gone")
	}
	noOthers(t, d)
	save(t, s, full())
	if got := d.read(t); string(got) == string(before) {
		t.Error("not saved although there is room again")
	}
}

// TestKilledBeforeRename: what a process left that was killed between writing
// and renaming goes away, and the older state counts.
func TestKilledBeforeRename(t *testing.T) {
	d := newDir(t)
	d.saved(t, small())
	folder := filepath.Dir(d.path)
	left := filepath.Join(folder, ".state.123456.vault-renderer-state.tmp")
	others := []string{
		filepath.Join(folder, ".state2.123456.vault-renderer-state.tmp"), // another store's
		filepath.Join(folder, "state.txt"),
	}
	for _, p := range append(others, left) {
		if err := os.WriteFile(p, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := small()
	if diff := difference(&want, d.again(t)); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
	for _, p := range others {
		if _, err := os.Lstat(p); err != nil {
			t.Error(err)
		}
	}
}

func TestRemove(t *testing.T) {
	d := newDir(t)
	s, _ := d.open(t)
	if err := s.Remove(); err != nil {
		t.Errorf("nothing to remove: %v", err)
	}
	save(t, s, small())
	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(d.path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
	save(t, s, small()) // the same bytes: written all the same
	if _, err := os.Lstat(d.path); err != nil {
		t.Error(err)
	}
	if err := errors.Join(s.Remove(), s.Close()); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Dir(d.path))
	if err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if d.again(t) != nil {
		t.Error("a state out of nothing")
	}
}

// TestUmask: neither the umask nor the time of a write makes the file
// readable for others.
func TestUmask(t *testing.T) {
	for _, mask := range []int{0, 0o777} {
		d := newDir(t)
		s, _ := d.open(t)
		old := syscall.Umask(mask)
		err := s.Save(small())
		syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		if mode := stat(t, d.path).Mode(); mode != 0o600 {
			t.Errorf("umask %04o: %v", mask, mode)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNumbersAreExact(t *testing.T) {
	d := newDir(t)
	st := small()
	st.Generation, st.Token.ID = math.MaxUint64, math.MaxUint64
	st.Token.Full = math.MaxInt64
	d.saved(t, st)
	if diff := difference(&st, d.again(t)); diff != "" {
		t.Error(diff)
	}
}

package destination

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// replace commits content over what is at path, and keeps that.
func replace(t *testing.T, f File, content string) Previous {
	t.Helper()
	s, err := Stage(f, []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	changed, prev, err := s.CommitKeeping()
	if err != nil || !changed {
		t.Fatalf("changed %v, %v", changed, err)
	}
	return prev
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "(none)"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func hiddenFiles(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// What was kept comes back as it was: the same file, with its mode and owner.
func TestRestore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	put(t, File{Path: path, Perms: 0o604}, "canary-old")
	before, _ := os.Stat(path)
	prev := replace(t, File{Path: path, Perms: 0o640}, "canary-new")
	if got := content(t, prev.Kept); got != "canary-old" || prev.Path != path || prev.Lost() {
		t.Fatalf("%+v holds %q", prev, got)
	}
	if err := prev.Restore(); err != nil {
		t.Fatal(err)
	}
	after, _ := os.Stat(path)
	if content(t, path) != "canary-old" || !os.SameFile(before, after) || after.Mode() != before.Mode() {
		t.Errorf("restored %q, %v", content(t, path), after.Mode())
	}
	put(t, File{Path: path}, "canary-newer")
	if err := prev.Restore(); err != nil || content(t, path) != "canary-old" {
		t.Errorf("a second time: %v, %q", err, content(t, path))
	}
	for range 2 {
		if err := prev.Drop(); err != nil || !prev.Lost() {
			t.Errorf("dropped: %v", err)
		}
	}
	if err := prev.Restore(); !errors.Is(err, fs.ErrNotExist) || content(t, path) != "canary-old" {
		t.Errorf("after it was dropped: %v, %q", err, content(t, path))
	}
	if left := hiddenFiles(t, filepath.Dir(path)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Without a file before, going back removes the new one; twice does no harm.
func TestRestoreNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	prev := replace(t, File{Path: path}, "canary-new")
	if prev.Kept != "" || prev.Path != path || prev.Lost() {
		t.Fatalf("%+v", prev)
	}
	for range 2 {
		if err := prev.Restore(); err != nil || content(t, path) != "(none)" {
			t.Errorf("%v, %q", err, content(t, path))
		}
	}
	if err := (Previous{}).Restore(); err != nil {
		t.Error(err)
	}
}

// A crash after Keep, before the rename: both names are one file.
func TestRestoreBeforeRename(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	put(t, File{Path: path}, "canary-old")
	s, err := Stage(File{Path: path}, []byte("canary-new"))
	if err != nil {
		t.Fatal(err)
	}
	prev, err := s.Keep()
	if err != nil {
		t.Fatal(err)
	}
	s.Discard()
	if err := errors.Join(prev.Restore(), prev.Drop()); err != nil {
		t.Fatal(err)
	}
	if left := hiddenFiles(t, filepath.Dir(path)); content(t, path) != "canary-old" || len(left) > 0 {
		t.Errorf("%q, left behind: %v", content(t, path), left)
	}
}

// A symbolic link at the destination comes back as a link.
func TestRestoreSymlink(t *testing.T) {
	dir := t.TempDir()
	path, target := filepath.Join(dir, "link"), filepath.Join(dir, "target")
	put(t, File{Path: target}, "canary-target")
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	prev := replace(t, File{Path: path}, "canary-new")
	if err := prev.Restore(); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(path); err != nil || to != target || content(t, target) != "canary-target" {
		t.Errorf("%q, %v", to, err)
	}
}

func TestKeepWhatDoesNotChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	put(t, File{Path: path}, "canary-same")
	s, err := Stage(File{Path: path}, []byte("canary-same"))
	if err != nil {
		t.Fatal(err)
	}
	changed, prev, err := s.CommitKeeping()
	if changed || prev != (Previous{}) || err != nil || len(hiddenFiles(t, filepath.Dir(path))) > 0 {
		t.Errorf("%v %+v %v", changed, prev, err)
	}
}

// An error leaves the destination and nothing beside it.
func TestCommitKeepingFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	put(t, File{Path: path}, "canary-old")
	s, err := Stage(File{Path: path}, []byte("canary-new"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.TempPath()); err != nil { // the rename will fail
		t.Fatal(err)
	}
	_, prev, err := s.CommitKeeping()
	if err == nil || prev != (Previous{}) || !strings.Contains(err.Error(), path) {
		t.Errorf("%+v %v", prev, err)
	}
	if left := hiddenFiles(t, dir); content(t, path) != "canary-old" || len(left) > 0 {
		t.Errorf("%q, left behind: %v", content(t, path), left)
	}
}

// Links to a file of somebody else are refused; a copy takes their place.
func TestKeepWithoutLinks(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := os.WriteFile(path, []byte("canary-old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o645); err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(path)
	var prev Previous
	asOther(t, dir, func() error {
		s, err := Stage(File{Path: path}, []byte("canary-new"))
		if err != nil {
			return err
		}
		_, prev, err = s.CommitKeeping()
		return err
	})
	a, err := os.Stat(prev.Kept)
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 && os.SameFile(a, before) {
		t.Error("the link was not refused")
	}
	if content(t, prev.Kept) != "canary-old" || a.Mode().Perm() != 0o645 {
		t.Errorf("kept %q, %v", content(t, prev.Kept), a.Mode())
	}
	if err := prev.Restore(); err != nil || content(t, path) != "canary-old" {
		t.Errorf("%v, %q", err, content(t, path))
	}
}

// asOther runs f with a file system identity that owns dir but not what is in
// it. Who may not take one (not root) runs f as it is.
func asOther(t *testing.T, dir string, f func() error) {
	t.Helper()
	const other = 12345
	if os.Getuid() != 0 {
		if err := f(); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := os.Chown(dir, other, -1); err != nil {
		t.Fatal(err)
	}
	for d := filepath.Dir(dir); d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with its identity
		if err := unix.Setfsuid(other); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// The copy that stands in for a link, whatever the system allows.
func TestCopy(t *testing.T) {
	dir := t.TempDir()
	for name, make := range map[string]func(string) error{
		"file":    func(p string) error { return os.WriteFile(p, []byte("canary-old"), 0o640) },
		"symlink": func(p string) error { return os.Symlink("elsewhere", p) },
		"fifo":    func(p string) error { return syscall.Mkfifo(p, 0o600) },
	} {
		path := filepath.Join(dir, name)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		s, err := Stage(File{Path: path}, []byte("canary-new"))
		if err != nil {
			t.Fatal(err)
		}
		old, _ := os.Lstat(path)
		err = s.copy(old, "copy-"+name)
		s.Discard()
		got, gerr := os.Lstat(filepath.Join(dir, "copy-"+name))
		if name == "fifo" {
			if err == nil || gerr == nil {
				t.Errorf("a fifo was copied: %v", got.Mode())
			}
			continue
		}
		if err != nil || gerr != nil || got.Mode() != old.Mode() {
			t.Errorf("%s: %v %v", name, err, gerr)
		}
	}
}

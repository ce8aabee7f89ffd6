package destination

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

func put(t *testing.T, f File, content string) bool {
	t.Helper()
	s, err := Stage(f, []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	changed, err := s.Commit()
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

// TestInvariantI1 is I1: a destination is always whole, with its final mode
// and owner from its first visible moment.
func TestInvariantI1(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	path := filepath.Join(t.TempDir(), "config.ini")
	uid, gid := os.Getuid(), os.Getgid()
	f := File{Path: path, Perms: 0o640}
	if uid == 0 {
		uid, gid = 12345, 23456
		f.User, f.Group = "12345", "23456"
	}
	var stop atomic.Bool
	seen := make(chan int, 1)
	go func() {
		n := 0
		for !stop.Load() {
			n += look(t, path, uid, gid)
		}
		seen <- n
	}()
	for i := range 2000 {
		put(t, f, strings.Repeat(string(rune('a'+i%26)), 1000+i%7*1000))
	}
	stop.Store(true)
	if n := <-seen; n == 0 {
		t.Error("the reader saw nothing")
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// look reads the file once and says whether it was there.
func look(t *testing.T, path string, uid, gid int) int {
	r, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Error(err)
		return 0
	}
	defer r.Close()
	st, _ := r.Stat()
	sys := st.Sys().(*syscall.Stat_t)
	if st.Mode().Perm() != 0o640 || int(sys.Uid) != uid || int(sys.Gid) != gid {
		t.Errorf("mode %v, owner %d:%d", st.Mode(), sys.Uid, sys.Gid)
	}
	var b bytes.Buffer
	_, _ = b.ReadFrom(r)
	if b.Len()%1000 != 0 || b.Len() == 0 || strings.Trim(b.String(), b.String()[:1]) != "" {
		t.Errorf("a part of a file: %d bytes", b.Len())
	}
	return 1
}

func TestUnchangedIsNotWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if !put(t, File{Path: path, Perms: 0o600}, "one") {
		t.Error("the first write changes nothing")
	}
	before, _ := os.Stat(path)
	if put(t, File{Path: path, Perms: 0o600}, "one") {
		t.Error("the same content counts as a change")
	}
	after, _ := os.Stat(path)
	if !os.SameFile(before, after) {
		t.Error("the same content was written again")
	}
	if !put(t, File{Path: path, Perms: 0o600}, "two") {
		t.Error("other content of the same length is no change")
	}
	if !put(t, File{Path: path, Perms: 0o644}, "two") {
		t.Error("another mode is no change")
	}
}

func TestModeAndOwnerAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	put(t, File{Path: path}, "one")
	if st, _ := os.Stat(path); st.Mode().Perm() != 0o644 {
		t.Errorf("default mode %v", st.Mode())
	}
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	put(t, File{Path: path}, "two")
	if st, _ := os.Stat(path); st.Mode().Perm() != 0o604 {
		t.Errorf("kept mode %v", st.Mode())
	}
}

func TestSymlinkIsReplaced(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	put(t, File{Path: target}, "target")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	put(t, File{Path: link}, "new")
	if b, _ := os.ReadFile(target); string(b) != "target" {
		t.Error("the link's target was written")
	}
	if st, _ := os.Lstat(link); !st.Mode().IsRegular() {
		t.Error("the link was not replaced")
	}
}

func TestErrorsLeaveNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		f    File
		want string
	}{
		{File{Path: filepath.Join(dir, "none", "f")}, "open the directory: no such file or directory"},
		{File{Path: filepath.Join(dir, "d")}, "a directory is in the way"},
		{File{Path: filepath.Join(dir, "f"), User: "nobody-of-that-name"}, "no such name on this host"},
	} {
		_, err := Stage(c.f, []byte("canary-content"))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.f.Path) || strings.Contains(err.Error(), "canary-") {
			t.Errorf("%+v: %v", c.f, err)
		}
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
	var c Checker
	if err := c.Check(File{Path: filepath.Join(dir, "none", "f")}); err == nil {
		t.Error("Check passes without the directory")
	}
	if err := c.Check(File{Path: filepath.Join(dir, "none", "f"), CreateDirs: true}); err != nil {
		t.Error(err)
	}
}

func TestDiscardAndSweep(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f[1]")
	s, err := Stage(File{Path: path}, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	temp := s.TempPath()
	if b, err := os.ReadFile(temp); err != nil || string(b) != "x" {
		t.Fatalf("staged %q, %v", b, err)
	}
	// As a killed process leaves it: staged, neither committed nor discarded.
	other := filepath.Join(dir, ".other.123"+tempSuffix)
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	Sweep(path)
	if _, err := os.Stat(temp); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the temporary file is still there")
	}
	if _, err := os.Stat(other); err != nil {
		t.Error("somebody else's file is gone")
	}
	s.Discard()
}

func TestOnTmpfs(t *testing.T) {
	var c Checker
	if !c.OnTmpfs("/dev/shm/some/where/f") {
		t.Error("/dev/shm is no tmpfs")
	}
	if c.OnTmpfs("/proc/f") {
		t.Error("/proc is a tmpfs")
	}
}

func BenchmarkStageCommit(b *testing.B) {
	path := filepath.Join(b.TempDir(), "f")
	content := bytes.Repeat([]byte("x"), 512)
	for i := range b.N {
		content[0] = byte(i)
		s, err := Stage(File{Path: path, Perms: 0o600}, content)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}

// Backup keeps what was there under .bak, never anything on the first write,
// and leaves nothing else behind.
func TestBackup(t *testing.T) {
	dir := t.TempDir()
	f := File{Path: filepath.Join(dir, "app.ini"), Perms: 0o640, Backup: true}
	want := func(files map[string]string) {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != len(files) {
			t.Errorf("%v, %v; want %v", entries, err, files)
		}
		for name, content := range files {
			if got, _ := os.ReadFile(filepath.Join(dir, name)); string(got) != content {
				t.Errorf("%s holds %q, want %q", name, got, content)
			}
		}
	}
	put(t, f, "one")
	want(map[string]string{"app.ini": "one"})
	put(t, f, "one")
	want(map[string]string{"app.ini": "one"})
	put(t, f, "two")
	want(map[string]string{"app.ini": "two", "app.ini.bak": "one"})
	put(t, f, "three")
	want(map[string]string{"app.ini": "three", "app.ini.bak": "two"})
}

func TestUmask(t *testing.T) {
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	if got := Umask(); got != 0o027 {
		t.Errorf("%v", got)
	}
}

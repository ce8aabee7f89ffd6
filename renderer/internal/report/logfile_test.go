package report

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func open(t *testing.T, o LogFileOptions) *LogFile {
	t.Helper()
	l, err := OpenLogFile(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func say(t *testing.T, l *LogFile, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if _, err := l.Write([]byte(line + "\n")); err != nil {
			t.Fatal(err)
		}
	}
}

// content is what all files of a directory hold, the active one last.
func content(t *testing.T, dir, active string) (files []string, text string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != active {
			files = append(files, e.Name())
		}
	}
	for _, f := range append(slices.Clone(files), active) {
		b, err := os.ReadFile(filepath.Join(dir, f))
		if err != nil {
			t.Fatal(err)
		}
		text += string(b)
	}
	return files, text
}

func TestLogFileRotatesByTime(t *testing.T) {
	for _, c := range []struct{ set, want time.Duration }{{0, 24 * time.Hour}, {time.Hour, time.Hour}} {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			l := open(t, LogFileOptions{Path: filepath.Join(dir, "a.log"), RotateDuration: c.set})
			say(t, l, "one")
			time.Sleep(c.want - time.Nanosecond)
			say(t, l, "two")
			if files, _ := content(t, dir, "a.log"); len(files) != 0 {
				t.Errorf("too early: %v", files)
			}
			time.Sleep(time.Nanosecond)
			at := time.Now().UnixNano()
			say(t, l, "three")
			files, text := content(t, dir, "a.log")
			if want := fmt.Sprintf("a-%d.log", at); !slices.Equal(files, []string{want}) || text != "one\ntwo\nthree\n" {
				t.Errorf("%v instead of %s, %q", files, want, text)
			}
		})
	}
}

func TestLogFileRotatesBySize(t *testing.T) {
	for _, c := range []struct {
		max, archives int
	}{{0, 4}, {2, 2}, {-1, 0}} {
		dir := t.TempDir()
		// Names that only look like archives stay.
		for _, name := range []string{"app-x.log", "app-1.txt", "app-12-3.log", "app-.log", "other-1.log"} {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		l := open(t, LogFileOptions{Path: filepath.Join(dir, "app.log"), RotateBytes: 10, RotateMaxFiles: c.max})
		for i := range 9 {
			say(t, l, fmt.Sprintf("line %d", i)) // 7 bytes: two lines make a file
		}
		files, text := content(t, dir, "app.log")
		archive := regexp.MustCompile(`^app-\d{19}\.log$`)
		archives := slices.DeleteFunc(slices.Clone(files), func(f string) bool { return !archive.MatchString(f) })
		if len(archives) != c.archives || len(files) != c.archives+5 {
			t.Errorf("max %d: %v", c.max, files)
		}
		if want := fmt.Sprintf("line %d\n", 8-2*c.archives); !strings.HasPrefix(text, want) || !strings.HasSuffix(text, "line 8\n") {
			t.Errorf("max %d: %q does not begin with %q", c.max, text, want)
		}
		for _, f := range append(archives, "app.log") {
			if info, err := os.Stat(filepath.Join(dir, f)); err != nil || info.Mode().Perm()&^0o640 != 0 {
				t.Errorf("%s: %v %v", f, info.Mode(), err)
			}
		}
	}
}

func TestLogFilePaths(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		dir:                           filepath.Join(dir, "vault.log"),
		dir + "/":                     filepath.Join(dir, "vault.log"),
		filepath.Join(dir, "plain"):   filepath.Join(dir, "plain"),
		filepath.Join(dir, "a.b.log"): filepath.Join(dir, "a.b.log"),
	} {
		l := open(t, LogFileOptions{Path: path, RotateBytes: 1})
		say(t, l, "x")
		say(t, l, "y")
		if b, err := os.ReadFile(want); err != nil || string(b) != "y\n" {
			t.Errorf("%s: %q %v", path, b, err)
		}
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "plain-*")); len(found) != 1 || strings.Contains(found[0], ".") {
		t.Errorf("archives of a name without extension: %v", found)
	}
	for _, path := range []string{dir + "/a*.log", dir + "/a?.log", dir + "/[a].log"} {
		if _, err := OpenLogFile(LogFileOptions{Path: path}); err == nil || !strings.Contains(err.Error(), "not allowed") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := OpenLogFile(LogFileOptions{Path: dir + "/nosuch/a.log"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory missing: %v", err)
	}
}

func TestLogFileAppends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	for range 2 {
		l := open(t, LogFileOptions{Path: path, RotateBytes: 100})
		say(t, l, "x")
		if err := errors.Join(l.Close(), l.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Write(nil); !errors.Is(err, os.ErrClosed) {
			t.Errorf("write after the end: %v", err)
		}
	}
	if b, _ := os.ReadFile(path); string(b) != "x\nx\n" {
		t.Errorf("got %q", b)
	}
}

// TestLogFileRotationFails makes the new file impossible: a directory took the
// active one's name.
func TestLogFileRotationFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	synctest.Test(t, func(t *testing.T) {
		var said []error
		l := open(t, LogFileOptions{Path: path, RotateBytes: 1, OnError: func(err error) { said = append(said, err) }})
		say(t, l, "one")
		moved := filepath.Join(dir, "moved")
		if err := errors.Join(os.Rename(path, moved), os.MkdirAll(path, 0o700)); err != nil {
			t.Fatal(err)
		}
		// The directory is renamed away, a file begun: nothing is lost.
		say(t, l, "two")
		if err := os.Rename(path, filepath.Join(dir, "moved2")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("nosuch/file", path); err != nil {
			t.Fatal(err)
		}
		// A link that leads nowhere is renamed as well; a directory that is gone
		// can't be written to at all.
		if err := os.Rename(dir, dir+"-away"); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir + "-away") }()
		say(t, l, "three", "four")
		time.Sleep(rotateRetry)
		say(t, l, "five")
		if len(said) != 1 || !strings.Contains(said[0].Error(), "rotate log_file") {
			t.Errorf("said: %v", said)
		}
		b, _ := os.ReadFile(filepath.Join(dir+"-away", "moved2"))
		if string(b) != "two\nthree\nfour\nfive\n" {
			t.Errorf("got %q", b)
		}
		if err := errors.Join(os.Rename(dir+"-away", dir), os.Remove(path)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rotateRetry)
		say(t, l, "six")
		if b, _ := os.ReadFile(path); string(b) != "six\n" {
			t.Errorf("rotation did not recover: %q", b)
		}
	})
}

func TestLogFileLosesNothing(t *testing.T) {
	dir := t.TempDir()
	l := open(t, LogFileOptions{Path: filepath.Join(dir, "a.log"), RotateBytes: 50})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				_, _ = fmt.Fprintf(l, "writer %d line %d\n", g, i)
			}
		})
	}
	wg.Wait()
	_, text := content(t, dir, "a.log")
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		seen[line] = true
	}
	if len(seen) != 400 || strings.Count(text, "\n") != 400 {
		t.Errorf("%d different lines of %d", len(seen), strings.Count(text, "\n"))
	}
}

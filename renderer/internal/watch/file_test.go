package watch_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vault-renderer/renderer/internal/vault"
	"vault-renderer/renderer/internal/watch"
)

// watchingFile runs f beside a Watcher of a file. There is no Vault.
func watchingFile(t *testing.T, path string, f func(w *world)) {
	watchingFor(t, &server{}, vault.Request{Method: vault.MethodFile, Path: path}, func(w *world) {
		f(w)
		if len(w.s.asked) != 0 {
			t.Errorf("Vault was asked: %v", w.s.asked)
		}
	})
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// putAt writes a file with the bubble's time on it.
func putAt(t *testing.T, path, content string, at time.Time) {
	t.Helper()
	put(t, path, content)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, got []watch.Update) string {
	t.Helper()
	if len(got) != 1 || got[0].Err != nil || got[0].Secret == nil || !got[0].Local {
		t.Fatalf("updates %+v", got)
	}
	s, _ := got[0].Secret.Data.Unwrap()["content"].(string)
	return s
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "motd")
	watchingFile(t, path, func(w *world) {
		got := w.after(3 * time.Second)
		if len(got) != 2 || vault.ClassOf(got[1].Err) != vault.NotFound || got[1].Tries != 2 || !got[1].Local {
			w.t.Fatalf("updates %+v", got)
		}
		if text := got[0].Err.Error(); text != "read the file "+path+": not found" {
			t.Error(text)
		}
		put(t, path, "canary-1\n")
		if got := content(w.t, w.after(2*time.Second)); got != "canary-1\n" {
			t.Errorf("%q", got)
		}
		if got := w.after(time.Hour); len(got) != 0 {
			t.Errorf("updates of nothing: %+v", got)
		}
		put(t, path, "canary-22\n") // longer
		if got := content(w.t, w.after(2*time.Second)); got != "canary-22\n" {
			t.Errorf("%q", got)
		}
		other := path + ".new"
		put(t, other, "canary-33\n")
		if err := os.Rename(other, path); err != nil {
			w.t.Fatal(err)
		}
		if got := content(w.t, w.after(2*time.Second)); got != "canary-33\n" {
			t.Errorf("%q", got)
		}
		putAt(t, path, "canary-33\n", time.Now().Add(-time.Hour)) // touched
		if got := w.after(10 * time.Second); len(got) != 0 {
			t.Errorf("updates of the same: %+v", got)
		}
	})
}

// A file that goes keeps its last content; when it is back as it was, only that
// is told.
func TestFileGoesAndComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "motd")
	put(t, path, "")
	watchingFile(t, path, func(w *world) {
		if got := content(w.t, w.after(time.Second)); got != "" {
			t.Errorf("%q", got)
		}
		if err := os.Remove(path); err != nil {
			w.t.Fatal(err)
		}
		got := w.after(4 * time.Second)
		if len(got) != 2 || got[1].Err == nil || got[1].Tries != 2 || got[1].Secret != nil {
			w.t.Fatalf("updates %+v", got)
		}
		put(t, path, "")
		got = w.after(2 * time.Second)
		if len(got) != 1 || got[0].Err != nil || got[0].Secret != nil || got[0].Tries != 0 {
			t.Errorf("updates %+v", got)
		}
	})
}

// Two writes within one tick of the file system's clock, equally long.
func TestFileWrittenTwiceAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "motd")
	watchingFile(t, path, func(w *world) {
		w.after(time.Second)
		now := time.Now().Add(time.Second)
		putAt(t, path, "canary-1", now)
		w.after(2 * time.Second)
		putAt(t, path, "canary-2", now)
		if got := content(w.t, w.after(2*time.Second)); got != "canary-2" {
			t.Errorf("%q", got)
		}
	})
}

// What can't be read is said with its name, and never as if Vault were away.
func TestFileThatIsNone(t *testing.T) {
	dir := t.TempDir()
	fifo, big := filepath.Join(dir, "fifo"), filepath.Join(dir, "big")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, big, "")
	if err := os.Truncate(big, 64<<20+1); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir: "is no regular file", fifo: "is no regular file", "/dev/zero": "is no regular file", big: "is larger than 64 MiB",
	} {
		watchingFile(t, path, func(w *world) {
			got := w.after(2 * time.Second)
			if len(got) == 0 || got[0].Err == nil || vault.ClassOf(got[0].Err) == vault.Transient {
				w.t.Fatalf("%s: updates %+v", path, got)
			}
			if text := got[0].Err.Error(); !strings.Contains(text, path) || !strings.Contains(text, want) {
				t.Errorf("%s: %s", path, text)
			}
		})
	}
}

package destination

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDigest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if _, err := Digest(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("no file: %v", err)
	}
	put(t, File{Path: path}, "abc")
	const abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if got, err := Digest(path); got != abc || err != nil || DigestOf([]byte("abc")) != abc {
		t.Errorf("%s, %v", got, err)
	}
}

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, s := range []string{"canary-1", "canary-2"} {
		put(t, File{Path: path, Backup: true}, s)
	}
	for range 2 {
		if err := Remove(path); err != nil {
			t.Error(err)
		}
		if names, _ := os.ReadDir(dir); len(names) > 0 {
			t.Errorf("left behind: %v", names)
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Remove(path); err == nil || !strings.Contains(err.Error(), path+": it is a directory") {
		t.Errorf("a directory: %v", err)
	}
}

// A sweep takes staged and kept files, but not those of somebody else, of other
// destinations, or that are still wanted.
func TestSweepExcept(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	put(t, File{Path: path}, "canary-1")
	wanted := replace(t, File{Path: path}, "canary-2")
	lost := replace(t, File{Path: path}, "canary-3")
	other := replace(t, File{Path: filepath.Join(dir, "g")}, "canary-x")
	put(t, File{Path: other.Path}, "canary-y")
	other = replace(t, File{Path: other.Path}, "canary-z")
	SweepExcept([]string{wanted.Kept}, path)
	if wanted.Lost() || !lost.Lost() || other.Lost() || content(t, path) != "canary-3" {
		t.Errorf("wanted %v, lost %v, other %v", wanted.Lost(), lost.Lost(), other.Lost())
	}
	Sweep(path)
	if !wanted.Lost() || other.Lost() {
		t.Errorf("wanted %v, other %v", wanted.Lost(), other.Lost())
	}
}

package rollout_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vault-renderer/renderer/internal/destination"
	"vault-renderer/renderer/internal/rollout"
)

func output(dir, name, content string) rollout.Output {
	return rollout.Output{File: destination.File{Path: filepath.Join(dir, name), Perms: 0o600}, Content: []byte(content)}
}

func read(t *testing.T, o rollout.Output) string {
	t.Helper()
	b, err := os.ReadFile(o.File.Path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(b)
}

func TestCommit(t *testing.T) {
	dir := t.TempDir()
	outs := []rollout.Output{output(dir, "a", "canary-1"), output(dir, "b", "canary-1")}
	changed, err := rollout.Commit(outs)
	if err != nil || !slices.Equal(changed, []bool{true, true}) {
		t.Fatalf("%v %v", changed, err)
	}
	outs[1].Content = []byte("canary-2")
	changed, err = rollout.Commit(outs)
	if err != nil || !slices.Equal(changed, []bool{false, true}) {
		t.Fatalf("%v %v", changed, err)
	}
	if read(t, outs[0]) != "canary-1" || read(t, outs[1]) != "canary-2" {
		t.Error("wrong content")
	}
	if changed, err := rollout.Commit(nil); err != nil || len(changed) != 0 {
		t.Errorf("nothing: %v %v", changed, err)
	}
}

// When one file can't be staged, none changes and nothing is left behind.
func TestCommitAllOrNothing(t *testing.T) {
	for _, bad := range []int{0, 1, 2} {
		dir := t.TempDir()
		var outs []rollout.Output
		for _, n := range []string{"a", "b", "c"} {
			outs = append(outs, output(dir, n, "canary-old"))
		}
		if _, err := rollout.Commit(outs); err != nil {
			t.Fatal(err)
		}
		for i := range outs {
			outs[i].Content = []byte("canary-new")
		}
		outs[bad].File.Path = filepath.Join(dir, "none", "x")
		changed, err := rollout.Commit(outs)
		if err == nil || slices.Contains(changed, true) {
			t.Fatalf("%v %v", changed, err)
		}
		if strings.Contains(err.Error(), "canary-") {
			t.Errorf("a secret in the error: %v", err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 3 {
			t.Errorf("left behind: %v %v", entries, err)
		}
		for _, e := range entries {
			if b, _ := os.ReadFile(filepath.Join(dir, e.Name())); string(b) != "canary-old" {
				t.Errorf("bad %d: %s changed", bad, e.Name())
			}
		}
	}
}

func TestDigest(t *testing.T) {
	outs := []rollout.Output{output("/d", "a", "1"), output("/d", "b", "2"), output("/d", "c", "")}
	want := rollout.Digest(outs)
	if !strings.HasPrefix(want, "sha256:") || len(want) != len("sha256:")+64 {
		t.Fatal(want)
	}
	for range 10 {
		rand.Shuffle(len(outs), func(i, j int) { outs[i], outs[j] = outs[j], outs[i] })
		before := slices.Clone(outs)
		if got := rollout.Digest(outs); got != want {
			t.Fatal("it depends on the order")
		}
		for i := range outs {
			if outs[i].File.Path != before[i].File.Path {
				t.Fatal("the caller's slice was sorted")
			}
		}
	}
	for _, other := range [][]rollout.Output{
		nil,
		{output("/d", "a", "1"), output("/d", "b", "2")},
		{output("/d", "a", "1"), output("/d", "b", "2"), output("/d", "d", "")},
		{output("/d", "a", "1"), output("/d", "b", ""), output("/d", "c", "2")},
		{output("/d", "a", "12"), output("/d", "b", ""), output("/d", "c", "")},
	} {
		if rollout.Digest(other) == want {
			t.Errorf("the same digest for %v", other)
		}
	}
}

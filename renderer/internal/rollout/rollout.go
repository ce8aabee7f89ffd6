// Package rollout moves a set of files from one generation to the next: all of
// them are staged before the first is renamed, and the application is told
// once, again and again until it has been (Commit, Notifier). An Attempt does
// more: it has the staged files checked, asks the application whether it uses
// them, goes back when it does not, and can be taken up after a crash (Repair).
// It does not know where the bytes come from.
package rollout

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"

	"vault-renderer/renderer/internal/destination"
)

// Output is one file of a generation.
type Output struct {
	File    destination.File
	Content []byte
}

// Commit stages every file, then renames every file. When one can't be staged,
// none is changed. changed says, by index, which destinations are new.
func Commit(outs []Output) (changed []bool, err error) {
	staged := make([]*destination.Staged, 0, len(outs))
	defer func() {
		for _, s := range staged {
			s.Discard()
		}
	}()
	for _, o := range outs {
		s, err := destination.Stage(o.File, o.Content)
		if err != nil {
			return nil, err
		}
		staged = append(staged, s)
	}
	changed = make([]bool, len(outs))
	for i, s := range staged {
		if changed[i], err = s.Commit(); err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// Digest names the content of a set of files, whatever their order.
func Digest(outs []Output) string {
	sorted := slices.Clone(outs)
	slices.SortFunc(sorted, func(a, b Output) int {
		if a.File.Path < b.File.Path {
			return -1
		}
		return 1
	})
	h := sha256.New()
	for _, o := range sorted {
		part(h, []byte(o.File.Path))
		part(h, o.Content)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// part adds b so that two parts never look like one.
func part(h hash.Hash, b []byte) {
	sum := sha256.Sum256(b)
	_, _ = h.Write(sum[:])
}

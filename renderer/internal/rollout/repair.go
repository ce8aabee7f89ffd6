package rollout

import (
	"fmt"
	"os"

	"vault-renderer/renderer/internal/destination"
)

// Repair makes the files of j be of one generation, whatever moment the process
// ended at: renames that can be finished are finished, others are undone, and
// going back is completed. It may itself be interrupted, and be repeated.
//
// It says where the files are now: Placed (resume: tell and ask), GoingBack (the
// files are back; resume: the application is told), Done or Back. Undoing what
// was put over another Journal gives that one. After an error the files may be
// of different generations; the Journal given then can be repaired again.
func Repair(j Journal) (Journal, error) {
	return repair(j.clone(), func(string) {})
}

func repair(j Journal, at func(string)) (Journal, error) {
	var err error
	switch j.Stage {
	case Placing:
		j, err = finishOrUndo(j, at)
	case GoingBack:
		err = goBack(j, at)
	case Placed:
		if j.wentBack() {
			j.Stage = GoingBack
			err = goBack(j, at)
		}
	default:
		for _, p := range j.links() {
			_ = dropAt(p, at)
		}
	}
	if err != nil {
		return j, fmt.Errorf("repair generation %d of rollout %q (%s): %w", j.Generation.N, j.Generation.Rollout, j.Stage, err)
	}
	return j, nil
}

// finishOrUndo ends renames that were interrupted.
func finishOrUndo(j Journal, at func(string)) (Journal, error) {
	for _, f := range j.Files {
		if f.Temp != "" && !holds(f.Temp, f.Digest) && !holds(f.Path, f.Digest) {
			return undoAll(j, at)
		}
	}
	for _, f := range j.Files {
		if f.Temp == "" || !holds(f.Temp, f.Digest) {
			continue
		}
		at("rename " + f.Path)
		if err := os.Rename(f.Temp, f.Path); err != nil {
			return undoAll(j, at)
		}
	}
	// What only undoing would need stays until the generation is settled: this
	// is not written down yet.
	return j.placed(), nil
}

// undoAll is undo, and then repair of what stood before.
func undoAll(j Journal, at func(string)) (Journal, error) {
	j, err := undo(j, at)
	if err != nil || !j.Open() {
		return j, err
	}
	return repair(j, at)
}

// wentBack says that files are back although the journal does not know: they are
// what was kept of them.
func (j Journal) wentBack() bool {
	if j.OneWay {
		return false
	}
	for _, f := range j.Files {
		if f.Previous.Path != "" && !holds(f.Path, f.Digest) && f.isBack() {
			return true
		}
	}
	return false
}

func (f JournalFile) isBack() bool {
	if f.Previous.Kept == "" {
		return destination.Stat(f.Path) == destination.Stamp{}
	}
	old, err := destination.Digest(f.Previous.Kept)
	return err == nil && holds(f.Path, old)
}

// holds says whether the file at path has the content that digest names.
func holds(path, digest string) bool {
	got, err := destination.Digest(path)
	return err == nil && got == digest
}

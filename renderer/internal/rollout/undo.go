package rollout

import (
	"errors"
	"io/fs"
	"os"

	"vault-renderer/renderer/internal/destination"
)

// undo puts back what a rename may have replaced, after one of them failed. The
// staged files go first: from then on nobody can finish the renames instead.
func undo(j Journal, at func(string)) (Journal, error) {
	var errs []error
	for _, f := range j.Files {
		if f.Temp == "" {
			continue
		}
		at("remove " + f.Temp)
		if err := os.Remove(f.Temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	for _, f := range j.Files {
		if p := f.wayBack(); f.Temp != "" && !p.Lost() {
			at("put back " + f.Path)
			errs = append(errs, p.Restore())
		}
	}
	if err := chain(errs...); err != nil {
		return j, err
	}
	for _, p := range made(j) { // all is back: nobody needs these any more
		_ = dropAt(p, at)
	}
	if j.Over != nil {
		return j.Over.clone(), nil
	}
	j = j.clone()
	j.Stage = Back
	for i := range j.Files {
		f := &j.Files[i]
		f.Temp, f.Previous, f.Before = "", destination.Previous{}, destination.Previous{}
	}
	return j, nil
}

func dropAt(p destination.Previous, at func(string)) error {
	if p.Kept == "" {
		return nil
	}
	at("drop " + p.Path)
	return p.Drop()
}

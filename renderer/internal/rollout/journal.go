package rollout

import (
	"slices"

	"vault-renderer/renderer/internal/destination"
	"vault-renderer/renderer/internal/reload"
)

// Stage is how far a generation is.
type Stage string

// The stages of a generation. Before Placing nothing has happened that matters.
const (
	Placing   Stage = "placing"    // some files may be renamed
	Placed    Stage = "placed"     // all files are; the application is told and asked
	GoingBack Stage = "going back" // it was refused: some files may be back; the application is told again
	Done      Stage = "acked"      // the application uses it
	Back      Stage = "back"       // what was before it stands again
)

// Journal is what must be known to go on after a crash. It is plain data and
// holds no secret.
type Journal struct {
	Generation reload.Generation
	Acked      uint64 // the generation before: see Attempt
	Stage      Stage
	Files      []JournalFile
	// OneWay: there is no way back, because nothing was there before, or because
	// its credentials have ended.
	OneWay bool
	// Over is what stood without an ack when this began: while Placing, that is
	// what stands again when this is undone.
	Over *Journal
}

// JournalFile is a file of a Journal: of the generation, or of a superseded one
// that stood before it.
type JournalFile struct {
	Path    string
	Temp    string // staged file; "" = the destination had the content already
	Digest  string // of the new content
	Changed bool   // the application is told of this file

	// Previous is what a refusal puts back; the zero value = nothing to.
	Previous destination.Previous
	// Before is what a rename that fails puts back, where that is not Previous.
	Before destination.Previous
}

// Open says that the generation stands, wholly or in parts, and is not settled.
func (j Journal) Open() bool {
	return j.Stage == Placing || j.Stage == Placed || j.Stage == GoingBack
}

// Hidden lists the files beside the destinations that j needs: a sweep must
// spare them.
func (j Journal) Hidden() (paths []string) {
	if !j.Open() {
		return nil
	}
	for _, f := range j.Files {
		for _, p := range []string{f.Temp, f.Previous.Kept, f.Before.Kept} {
			if p != "" {
				paths = append(paths, p)
			}
		}
	}
	if j.Over != nil {
		paths = append(paths, j.Over.Hidden()...)
	}
	return paths
}

// clone shares nothing with j that anybody changes.
func (j Journal) clone() Journal {
	j.Files = slices.Clone(j.Files)
	j.Generation.Files = slices.Clone(j.Generation.Files)
	if j.Over != nil {
		over := j.Over.clone()
		j.Over = &over
	}
	return j
}

// changed are the destinations that the application is told of.
func (j Journal) changed() map[string]bool {
	m := map[string]bool{}
	for _, f := range j.Files {
		if f.Changed {
			m[f.Path] = true
		}
	}
	return m
}

// wayBack is what puts f back when the renames are undone.
func (f JournalFile) wayBack() destination.Previous {
	if f.Before.Path != "" {
		return f.Before
	}
	return f.Previous
}

// placed is j once all of its files are renamed.
func (j Journal) placed() Journal {
	j = j.clone()
	j.Stage, j.Over = Placed, nil
	for i := range j.Generation.Files {
		j.Generation.Files[i].Staged = j.Generation.Files[i].Path
	}
	for i := range j.Files {
		j.Files[i].Temp = ""
	}
	return j
}

// links are all that j keeps.
func (j Journal) links() (out []destination.Previous) {
	for _, f := range j.Files {
		out = append(out, f.Previous, f.Before)
	}
	return out
}

// withoutBefore is j without what only undoing a rename needs, and that.
func (j Journal) withoutBefore() (rest Journal, before []destination.Previous) {
	rest = j.clone()
	for i := range rest.Files {
		if p := rest.Files[i].Before; p.Path != "" {
			before, rest.Files[i].Before = append(before, p), destination.Previous{}
		}
	}
	return rest, before
}

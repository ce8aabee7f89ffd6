package reload

import (
	"fmt"
	"strings"
)

// Generation is one consistent set of contents for the files of a rollout, as
// commands and the application see it. It holds no secret.
type Generation struct {
	N       uint64
	Rollout string // name, for people and for commands
	Digest  string // "sha256:<hex>" over paths and contents of all files
	Files   []File // in the order of the templates
}

// File is one file of a Generation.
type File struct {
	Path   string // the destination
	Staged string // where the content is now: a temporary file, or Path itself
	Digest string // "sha256:<hex>" of the content
}

func (g Generation) paths() []string {
	out := make([]string, len(g.Files))
	for i, f := range g.Files {
		out[i] = f.Path
	}
	return out
}

func (g Generation) staged() []string {
	out := make([]string, len(g.Files))
	for i, f := range g.Files {
		out[i] = f.Staged
	}
	return out
}

// file finds a file by its destination.
func (g Generation) file(destination string) (File, error) {
	for _, f := range g.Files {
		if f.Path == destination {
			return f, nil
		}
	}
	return File{}, fmt.Errorf("%s is no file of rollout %q; its files are: %s", destination, g.Rollout, strings.Join(g.paths(), ", "))
}

// expected is the digest that the application has to report: of the file
// destination, or with "" of the only file, or over all of them.
func (g Generation) expected(destination string) (string, error) {
	switch {
	case destination != "":
		f, err := g.file(destination)
		return f.Digest, err
	case len(g.Files) == 1:
		return g.Files[0].Digest, nil
	}
	return g.Digest, nil
}

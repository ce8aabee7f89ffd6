package reload

import "context"

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

// Acker asks the application which generation it uses.
type Acker interface {
	// Wait returns nil once the application uses g. It ends with ctx, then with
	// an error that says what the application answered last.
	Wait(ctx context.Context, g Generation) error
	// String names the acker for people.
	String() string
}

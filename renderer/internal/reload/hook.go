// Package reload talks with an application about its files: a command looks at
// them before they are in place (Check), a hook says that they changed (Hook),
// and the application says which ones it uses (Acker). One Run is one try:
// retries, and deciding when to run, are the caller's. It never reads the files
// and hands no secret to anybody; what commands and applications answer may
// hold secrets, and is shown only through a mask.
package reload

import "context"

// Hook tells the application once.
type Hook interface {
	// Run ends with the hook, with ctx or with the hook's own time limit.
	Run(ctx context.Context) error
	// Key is equal for hooks that do the same: those run once per change.
	Key() string
	// String names the hook for people.
	String() string
}

// GenerationHook is a Hook that can tell the application what changed.
type GenerationHook interface {
	Hook
	// RunFor is Run for a generation that is in place.
	RunFor(ctx context.Context, g Generation) error
}

var (
	_ GenerationHook = (*Command)(nil)
	_ Hook           = (*Signal)(nil)
	_ Hook           = (*Process)(nil)
	_ Hook           = (*HTTP)(nil)
	_ Acker          = (*AckHTTP)(nil)
	_ Acker          = (*AckFile)(nil)
	_ Acker          = (*AckCommand)(nil)
)

// Package sink writes tokens where auto_auth's sinks want them: whole files,
// with their final mode and owner from the first moment, wrapped or encrypted
// if so asked. A Writer tries again until the newest token is written.
package sink

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"vault-renderer/renderer/internal/destination"
	"vault-renderer/renderer/internal/vault"
)

// File is a file sink. The directory must exist.
type File struct {
	Path         string
	Mode         fs.FileMode
	Owner, Group int // -1 = the process's

	WrapTTL time.Duration // > 0: the file holds what unwraps the token, as JSON
	DH      DH            // with a Path: the file is encrypted
}

func (f File) destination() destination.File {
	// Whoever owned a file that is there: a token belongs to its sink's owner.
	owner, group := f.Owner, f.Group
	if owner < 0 {
		owner = os.Geteuid()
	}
	if group < 0 {
		group = os.Getegid()
	}
	return destination.File{
		Path: f.Path, Perms: f.Mode, ExactPerms: true, User: strconv.Itoa(owner), Group: strconv.Itoa(group),
	}
}

// Check says whether the sink can be written.
func (f File) Check(c *destination.Checker) error { return c.Check(f.destination()) }

// write writes content, without a trailing newline. A file that has this
// content, mode and owner already is left alone.
func (f File) write(content []byte) (changed bool, err error) {
	s, err := destination.Stage(f.destination(), content)
	if err != nil {
		return false, err
	}
	return s.Commit()
}

// Wrapper keeps data under a single-use token: a *vault.Client.
type Wrapper interface {
	Wrap(ctx context.Context, t vault.Token, data map[string]any, ttl time.Duration) (*vault.WrapInfo, error)
}

// content is what the file gets for t: first wrapped, then encrypted.
func (w *Writer) content(ctx context.Context, t vault.Token) ([]byte, error) {
	out := []byte(t.Reveal())
	if w.f.WrapTTL > 0 {
		info, err := w.wrapper.Wrap(ctx, t, map[string]any{"token": t.Reveal()}, w.f.WrapTTL)
		if err != nil {
			return nil, fmt.Errorf("sink %s: %w", w.f.Path, err)
		}
		if out, err = info.JSON(); err != nil {
			return nil, fmt.Errorf("sink %s: %w", w.f.Path, err)
		}
	}
	if w.f.DH.Path == "" {
		return out, nil
	}
	out, err := w.box.seal(w.f.DH, out)
	if err != nil {
		return nil, fmt.Errorf("sink %s: %w", w.f.Path, err)
	}
	return out, nil
}

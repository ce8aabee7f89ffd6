// Package sink writes tokens where auto_auth's sinks want them: whole files,
// with their final mode and owner from the first moment. When to write, and
// trying again, is the caller's.
package sink

import (
	"io/fs"
	"strconv"

	"vault-renderer/renderer/internal/destination"
	"vault-renderer/renderer/internal/vault"
)

// File is a file sink. The directory must exist.
type File struct {
	Path         string
	Mode         fs.FileMode
	Owner, Group int // -1 = the process's
}

func (f File) destination() destination.File {
	d := destination.File{Path: f.Path, Perms: f.Mode}
	if f.Owner >= 0 {
		d.User = strconv.Itoa(f.Owner)
	}
	if f.Group >= 0 {
		d.Group = strconv.Itoa(f.Group)
	}
	return d
}

// Check says whether the sink can be written.
func (f File) Check(c *destination.Checker) error { return c.Check(f.destination()) }

// Write writes the token, without a trailing newline.
func (f File) Write(t vault.Token) error {
	s, err := destination.Stage(f.destination(), []byte(t.Reveal()))
	if err != nil {
		return err
	}
	_, err = s.Commit()
	return err
}

package main

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
)

// makePassword makes the database's root password unless there is one. The
// database's own account in its container reads it too; the volume is mounted
// by nobody else.
func makePassword(path string) error {
	_, err := os.Stat(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return writeFile(path, []byte(rand.Text()), 0o444)
}

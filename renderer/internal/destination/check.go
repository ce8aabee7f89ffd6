package destination

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Checker says what can be known of destinations before anything is written. It
// looks at each directory once; the zero value is ready.
type Checker struct {
	dirs map[string]directory
}

// directory is what is known of a directory, or of the nearest parent that is
// there.
type directory struct {
	missing bool  // the directory itself is not there
	problem error // why nothing can be made in it
	tmpfs   bool
}

// Check says whether f can be written: that the owner exists, and that the
// directory is there (or may be made) and takes files.
func (c *Checker) Check(f File) error {
	if _, err := f.attributes(); err != nil {
		return fmt.Errorf("write %s: %w", f.Path, err)
	}
	if st, err := os.Lstat(f.Path); err == nil && st.IsDir() {
		return fmt.Errorf("write %s: a directory is in the way", f.Path)
	}
	d := c.look(filepath.Dir(f.Path))
	if d.missing && !f.CreateDirs {
		return fmt.Errorf("write %s: the directory %s does not exist", f.Path, filepath.Dir(f.Path))
	}
	if d.problem != nil {
		return fmt.Errorf("write %s: %w", f.Path, d.problem)
	}
	return nil
}

// OnTmpfs says whether a file at path lies (or would lie) on tmpfs or ramfs.
// When that can't be known, Check has said what is wrong.
func (c *Checker) OnTmpfs(path string) bool { return c.look(filepath.Dir(path)).tmpfs }

func (c *Checker) look(dir string) directory {
	if d, ok := c.dirs[dir]; ok {
		return d
	}
	var d directory
	var found string
	found, d.missing = existing(dir)
	if st, err := os.Stat(found); err != nil || !st.IsDir() {
		d.problem = fmt.Errorf("%s is not a directory", found)
	} else if err := unix.Access(found, unix.W_OK|unix.X_OK); err != nil {
		d.problem = fmt.Errorf("no right to write into %s: %w", found, err)
	}
	if f, err := os.Open(found); err == nil {
		d.tmpfs, _ = isTmpfs(int(f.Fd()))
		f.Close()
	}
	if c.dirs == nil {
		c.dirs = map[string]directory{}
	}
	c.dirs[dir] = d
	return d
}

func isTmpfs(fd int) (bool, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return false, err
	}
	return st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC, nil
}

// existing gives dir or its nearest parent that is there.
func existing(dir string) (found string, missing bool) {
	for {
		if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return dir, missing
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return dir, missing
		}
		dir, missing = parent, true
	}
}

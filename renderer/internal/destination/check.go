package destination

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Check says what can be known before anything is written: that the owner
// exists, that the directory is there (or may be made) and takes files.
func Check(f File) error {
	if _, err := f.attributes(); err != nil {
		return fmt.Errorf("write %s: %w", f.Path, err)
	}
	if st, err := os.Stat(f.Path); err == nil && st.IsDir() {
		return fmt.Errorf("write %s: a directory is in the way", f.Path)
	}
	dir, missing := existing(filepath.Dir(f.Path))
	if missing && !f.CreateDirs {
		return fmt.Errorf("write %s: the directory %s does not exist", f.Path, filepath.Dir(f.Path))
	}
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return fmt.Errorf("write %s: %s is not a directory", f.Path, dir)
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("write %s: no right to write into %s: %w", f.Path, dir, err)
	}
	return nil
}

// OnTmpfs says whether a file at path lies (or would lie) on tmpfs or ramfs.
func OnTmpfs(path string) (bool, error) {
	dir, _ := existing(filepath.Dir(path))
	d, err := os.Open(dir)
	if err != nil {
		return false, err
	}
	defer d.Close()
	return isTmpfs(int(d.Fd()))
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

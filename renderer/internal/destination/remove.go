package destination

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Remove takes a destination away, and the backup beside it: what they hold has
// ended. What is not there is no error.
func Remove(path string) error {
	return errors.Join(removeFile(path), removeFile(path+".bak"))
}

func removeFile(path string) error {
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && st.IsDir() {
		err = errors.New("it is a directory")
	}
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", path, cause(err))
	}
	return nil
}

// Sweep removes what a killed process left beside paths: staged files, and
// those that were kept to go back to. It reads each directory once.
func Sweep(paths ...string) { SweepExcept(nil, paths...) }

// SweepExcept is Sweep, but leaves alone the hidden files that keep lists.
func SweepExcept(keep []string, paths ...string) {
	kept := map[string]bool{}
	for _, p := range keep {
		kept[filepath.Clean(p)] = true
	}
	dirs := map[string]map[string]bool{}
	for _, p := range paths {
		dir, base := filepath.Split(p)
		if dir == "" {
			dir = "."
		}
		if dirs[dir] == nil {
			dirs[dir] = map[string]bool{}
		}
		dirs[dir][base] = true
	}
	for dir, bases := range dirs {
		sweepDir(dir, bases, kept)
	}
}

func sweepDir(dir string, bases, kept map[string]bool) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, n := range names {
		path := filepath.Join(dir, n)
		if base, ours := hiddenOf(n); ours && bases[base] && !kept[path] {
			_ = os.Remove(path)
		}
	}
}

// hiddenOf gives the destination that a hidden file of ours belongs to.
func hiddenOf(name string) (base string, ours bool) {
	rest, ours := strings.CutSuffix(name, tempSuffix)
	if !ours {
		rest, ours = strings.CutSuffix(name, keptSuffix)
	}
	if !ours || len(rest) < 2 || rest[0] != '.' {
		return "", false
	}
	i := strings.LastIndexByte(rest, '.')
	if i <= 0 {
		return "", false
	}
	return rest[1:i], true
}

package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxSize of a state file, in bytes: far above what 10,000 secrets need.
const maxSize = 64 << 20

// tempPattern names the file that is renamed into place. It begins with a dot
// and the state file's name, so that what a killed process left is recognised.
const tempPattern, tempSuffix = ".*", ".vault-renderer-state.tmp"

// distrust is why a file is not taken up.
type distrust struct {
	why     string
	foreign bool // it is somebody else's, rather than broken
}

func (d *distrust) Error() string { return d.why }

func damaged(format string, args ...any) error {
	return &distrust{why: fmt.Sprintf(format, args...)}
}

func foreign(format string, args ...any) error {
	return &distrust{why: fmt.Sprintf(format, args...), foreign: true}
}

// read gives the file's bytes; a *distrust when it is not ours alone.
func (s *Store) read() ([]byte, fs.FileInfo, error) {
	info, err := os.Lstat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	if err != nil {
		return nil, nil, damaged("it can't be looked at: %v", err)
	}
	if err := trust(info); err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(s.path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, damaged("it can't be opened: %v", err)
	}
	defer f.Close()
	// Again: what was opened need not be what was there a moment before.
	if info, err = f.Stat(); err == nil {
		err = trust(info)
	}
	if err != nil {
		return nil, nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, nil, damaged("it can't be read: %v", err)
	}
	if len(b) > maxSize {
		return nil, nil, damaged("it is larger than %d MiB", maxSize>>20)
	}
	return b, info, nil
}

// trust says whether nobody else could have written or read the file.
func trust(info fs.FileInfo) error {
	if info.Mode()&fs.ModeSymlink != 0 {
		return foreign("it is a symbolic link")
	}
	if !info.Mode().IsRegular() {
		return foreign("it is not a regular file")
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() {
		return foreign("it belongs to another user")
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return foreign("others could read or write it (mode %04o, must be 0600)", perm)
	}
	if info.Size() > maxSize {
		return damaged("it is larger than %d MiB", maxSize>>20)
	}
	return nil
}

// setAside moves the file out of the way, so that people can look at it.
func (s *Store) setAside(why error, log *slog.Logger) error {
	aside := s.path + ".damaged"
	if d := (*distrust)(nil); errors.As(why, &d) && d.foreign {
		aside = s.path + ".foreign"
	}
	if err := os.Remove(aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("not trusted (%w), and no way to set it aside: %w", why, err)
	}
	if err := os.Rename(s.path, aside); err != nil {
		return fmt.Errorf("not trusted (%w), and no way to set it aside: %w", why, err)
	}
	tighten(aside)
	log.Warn("the state file is not trusted and was set aside: logging in and fetching all secrets anew; the token and leases of the run before are left to end by themselves",
		"path", s.path, "reason", why.Error(), "kept_as", aside)
	return nil
}

// tighten makes what was set aside its owner's alone. It never follows a link.
func tighten(path string) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return // a link, a socket or somebody else's: not ours to change
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		_ = f.Chmod(0o600)
	}
}

// replace writes b to path in one rename and gives the new file's attributes.
func replace(path string, b []byte) (info fs.FileInfo, err error) {
	if len(b) > maxSize {
		return nil, fmt.Errorf("it would be larger than %d MiB", maxSize>>20)
	}
	t, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+tempPattern+tempSuffix) // mode 0600
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(t.Name())
		}
	}()
	info, err = fill(t, b)
	if err != nil {
		return nil, err
	}
	return info, os.Rename(t.Name(), path)
}

func fill(t *os.File, b []byte) (info fs.FileInfo, err error) {
	defer func() {
		if cerr := t.Close(); err == nil {
			err = cerr
		}
	}()
	if err := t.Chmod(0o600); err != nil { // a umask may have taken too much
		return nil, err
	}
	if _, err := t.Write(b); err != nil {
		return nil, err
	}
	if !inMemory(t) {
		if err := t.Sync(); err != nil {
			return nil, err
		}
	}
	return t.Stat()
}

// inMemory says whether there is no disk to sync to.
func inMemory(f *os.File) bool {
	var st unix.Statfs_t
	err := unix.Fstatfs(int(f.Fd()), &st)
	return err == nil && (st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC)
}

// removeTemps removes what a process that was killed before its rename left.
func (s *Store) removeTemps() error {
	dir, base := filepath.Dir(s.path), filepath.Base(s.path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look into its directory: %w", err)
	}
	for _, e := range entries {
		if n := e.Name(); strings.HasPrefix(n, "."+base+".") && strings.HasSuffix(n, tempSuffix) {
			if err := os.Remove(filepath.Join(dir, n)); err != nil {
				return fmt.Errorf("remove what an earlier run left: %w", err)
			}
		}
	}
	return nil
}

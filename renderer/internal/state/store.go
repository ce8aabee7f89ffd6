package state

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// ErrInUse is in the error of Open when another process has the state file.
var ErrInUse = errors.New("in use by another process")

// Options of Open.
type Options struct {
	// Path of the state file; Path.lock is beside it. Its directory is made,
	// for its owner only, when it is missing.
	Path string
	// Binding says what the state belongs to (which Vault, which way to log
	// in): a state with another one is not taken up. Only its hash is stored.
	Binding string
	Log     *slog.Logger
}

// Store is a state file that this process has for itself. It is not safe for
// concurrent use.
type Store struct {
	path, binding string
	lock          *os.File
	saved         string      // the first line of what is in the file: it has the checksum
	file          fs.FileInfo // as it was when that was written; nil: not known
	removed       bool
}

// Open takes the state file for this process, until Close, and reads it. A nil
// State means that there is nothing to go on from. A file that can't be trusted
// is renamed to Path.damaged or Path.foreign, with a warning in the log; it is
// no error. An error wraps ErrInUse when another process has the file.
func Open(o Options) (*Store, *State, error) {
	if err := os.MkdirAll(filepath.Dir(o.Path), 0o700); err != nil {
		return nil, nil, fmt.Errorf("state file %s: make the directory: %w", o.Path, err)
	}
	lock, err := acquire(o.Path + lockSuffix)
	if err != nil {
		return nil, nil, fmt.Errorf("state file %s: %w", o.Path, err)
	}
	s := &Store{path: o.Path, binding: o.Binding, lock: lock}
	st, err := s.take(o.Log)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("state file %s: %w", o.Path, err), lock.Close())
	}
	return s, st, nil
}

// take cleans up behind a process that was killed, and reads the file.
func (s *Store) take(log *slog.Logger) (*State, error) {
	if err := s.removeTemps(); err != nil {
		return nil, err
	}
	b, info, err := s.read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var st *State
	if err == nil {
		st, err = decode(b, s.binding)
	}
	if err != nil {
		return nil, s.setAside(err, log)
	}
	s.saved, s.file = firstLine(b), info
	return st, nil
}

// Save puts st into the file, in one rename. It costs nothing but the encoding
// when the file holds the same bytes already.
func (s *Store) Save(st State) error {
	b, err := encode(st, s.binding)
	if err != nil {
		return fmt.Errorf("save the state to %s: %w", s.path, err)
	}
	line := firstLine(b)
	if line == s.saved && s.untouched() {
		return nil
	}
	info, err := replace(s.path, b)
	if err != nil {
		return fmt.Errorf("save the state to %s (the one there is older; a restart goes on from it): %w", s.path, err)
	}
	s.saved, s.file, s.removed = line, info, false
	return nil
}

// untouched says whether the file is the one that was written last.
func (s *Store) untouched() bool {
	now, err := os.Lstat(s.path)
	return err == nil && s.file != nil && os.SameFile(now, s.file) && now.Size() == s.file.Size() &&
		now.ModTime().Equal(s.file.ModTime()) && now.Mode() == s.file.Mode()
}

// Remove deletes the file: the next Open finds nothing. What was set aside
// earlier stays.
func (s *Store) Remove() error {
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the state file: %w", err)
	}
	s.file, s.removed = nil, true
	return nil
}

// Close lets another process have the file.
func (s *Store) Close() error {
	if s.removed { // leave nothing behind; acquire knows how to deal with that
		_ = os.Remove(s.lock.Name())
	}
	return s.lock.Close()
}

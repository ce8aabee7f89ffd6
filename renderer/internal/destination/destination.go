// Package destination writes files so that a reader never sees a part of one:
// the content goes into a temporary file beside the destination, which has its
// final mode and owner before the first byte, and a rename puts it in place.
// What was there can be kept, to go back to.
// It also says whether a path lies on tmpfs. It knows nothing of templates or
// of what the bytes mean.
package destination

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// File says where content goes and what the file looks like.
type File struct {
	Path       string
	Perms      fs.FileMode // 0 = as the file there has, else 0644
	User       string      // name or number; "" = as the file there has, else the process's
	Group      string      // likewise
	CreateDirs bool        // make missing parents, 0755 (0700 with PrivateDirs)

	PrivateDirs bool
	ExactPerms  bool // Perms count even when they are 0
	Backup      bool // keep what was there as Path.bak
}

// Staged is content beside its destination, ready to be renamed into place.
type Staged struct {
	dir       *os.Root
	temp      string // "" = the destination has this content already
	base      string
	path      string
	unchanged bool
	backup    bool
}

// The suffixes end the names of all hidden files, so that those which a killed
// process left behind can be told from other people's files.
const (
	tempSuffix = ".vault-renderer.tmp" // staged
	keptSuffix = ".vault-renderer.old" // what was there before
)

// Stage writes content beside f. An error leaves nothing behind.
func Stage(f File, content []byte) (*Staged, error) {
	dir, base := filepath.Split(f.Path)
	if dir == "" {
		dir = "."
	}
	if base == "" {
		return nil, fmt.Errorf("write %s: the path names a directory", f.Path)
	}
	if f.CreateDirs {
		mode := fs.FileMode(0o755)
		if f.PrivateDirs {
			mode = 0o700
		}
		if err := os.MkdirAll(dir, mode); err != nil {
			return nil, fmt.Errorf("write %s: make the directory: %w", f.Path, err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("write %s: open the directory: %w", f.Path, cause(err))
	}
	s := &Staged{dir: root, base: base, path: f.Path, backup: f.Backup}
	if err := s.stage(f, content); err != nil {
		s.Discard()
		return nil, fmt.Errorf("write %s: %w", f.Path, cause(err))
	}
	return s, nil
}

func (s *Staged) stage(f File, content []byte) error {
	want, err := f.attributes()
	if err != nil {
		return err
	}
	old, err := s.dir.Lstat(s.base)
	switch {
	case err == nil && old.IsDir():
		return errors.New("a directory is in the way")
	case err == nil && old.Mode().IsRegular():
		want = want.or(old)
		if want.same(old) && s.holds(old, content) {
			s.unchanged = true
			return nil
		}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return s.writeTemp(want, content)
}

// holds says whether the destination has this content. It reads only when the
// size is right.
func (s *Staged) holds(old fs.FileInfo, content []byte) bool {
	if old.Size() != int64(len(content)) {
		return false
	}
	have, err := s.dir.ReadFile(s.base)
	return err == nil && bytes.Equal(have, content)
}

func (s *Staged) writeTemp(want attributes, content []byte) error {
	s.temp = s.hidden(tempSuffix)
	return s.write(s.temp, want, content)
}

// write makes the file name, which has its attributes before the first byte.
func (s *Staged) write(name string, want attributes, content []byte) (err error) {
	t, err := s.dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := t.Close(); err == nil {
			err = cerr
		}
	}()
	// Owner before mode: a chown clears set-id bits, and the file must never
	// be readable for the wrong group.
	if want.uid >= 0 || want.gid >= 0 {
		if err := t.Chown(want.uid, want.gid); err != nil && want.insists {
			return err
		}
	}
	if err := t.Chmod(want.mode); err != nil {
		return err
	}
	if _, err := t.Write(content); err != nil {
		return err
	}
	if onTmpfs, err := isTmpfs(int(t.Fd())); err == nil && onTmpfs {
		return nil // nothing to sync to
	}
	return t.Sync()
}

// hidden makes up the name of a file beside the destination.
func (s *Staged) hidden(suffix string) string {
	return "." + s.base + "." + randomName() + suffix
}

// Path is the destination's path.
func (s *Staged) Path() string { return s.path }

// TempPath is the path of the staged file; the destination's own when nothing
// changes.
func (s *Staged) TempPath() string {
	if s.unchanged {
		return s.path
	}
	return filepath.Join(filepath.Dir(s.path), s.temp)
}

// Changed says whether Commit will change the destination.
func (s *Staged) Changed() bool { return !s.unchanged }

// Commit puts the file in place. A symbolic link there is replaced, not followed.
func (s *Staged) Commit() (changed bool, err error) {
	defer s.Discard()
	if s.unchanged {
		return false, nil
	}
	if s.backup {
		if err := s.keep(); err != nil {
			return false, fmt.Errorf("write %s: keep the old file as %s.bak: %w", s.path, s.base, cause(err))
		}
	}
	if err := s.dir.Rename(s.temp, s.base); err != nil {
		return false, fmt.Errorf("write %s: %w", s.path, cause(err))
	}
	s.temp = ""
	return true, nil
}

// keep makes the file that is there reachable as a backup, in one step.
func (s *Staged) keep() error {
	link := s.hidden(tempSuffix)
	there, err := s.second(link)
	if err != nil || !there {
		return err
	}
	err = s.dir.Rename(link, s.base+".bak")
	// A rename of a file onto another name of itself leaves both.
	_ = s.dir.Remove(link)
	return err
}

// Discard removes what was staged. It is harmless after Commit.
func (s *Staged) Discard() {
	if s.dir == nil {
		return
	}
	if s.temp != "" {
		_ = s.dir.Remove(s.temp)
		s.temp = ""
	}
	_ = s.dir.Close()
	s.dir = nil
}

func randomName() string {
	var b [6]byte
	_, _ = io.ReadFull(rand.Reader, b[:])
	return hex.EncodeToString(b[:])
}

// cause drops the outer layers of a path error: the message names the path itself.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	var le *os.LinkError
	if errors.As(err, &le) {
		return le.Err
	}
	return err
}

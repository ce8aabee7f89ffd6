package destination

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Previous is what stood at a destination before a commit, as plain data that
// survives the process. The zero value stands for a destination that was not
// touched.
type Previous struct {
	Path string // the destination
	Kept string // a hidden link or copy beside it; "" = there was no file
}

// Keep makes what is at the destination reachable under a hidden name, with
// the mode and owner that it has. Before Commit it is the part that can fail;
// the zero Previous is given when Commit will change nothing.
func (s *Staged) Keep() (Previous, error) {
	if s.unchanged {
		return Previous{}, nil
	}
	p := Previous{Path: s.path}
	name := s.hidden(keptSuffix)
	there, err := s.second(name)
	if err != nil {
		return Previous{}, fmt.Errorf("write %s: keep what is there to be able to go back: %w", s.path, cause(err))
	}
	if there {
		p.Kept = filepath.Join(filepath.Dir(s.path), name)
	}
	return p, nil
}

// CommitKeeping is Keep and Commit. An error leaves the destination as it was
// and no hidden file.
func (s *Staged) CommitKeeping() (changed bool, prev Previous, err error) {
	if prev, err = s.Keep(); err != nil {
		s.Discard()
		return false, Previous{}, err
	}
	if changed, err = s.Commit(); err != nil {
		_ = prev.Drop()
		return false, Previous{}, err
	}
	return changed, prev, nil
}

// second gives the destination's file a second name. Where links are refused
// (to files of others: protected_hardlinks) it is a copy. there is false when
// the destination does not exist.
func (s *Staged) second(name string) (there bool, err error) {
	old, err := s.dir.Lstat(s.base)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if s.dir.Link(s.base, name) == nil {
		return true, nil
	}
	if err := s.copy(old, name); err != nil {
		_ = s.dir.Remove(name)
		return true, err
	}
	return true, nil
}

func (s *Staged) copy(old fs.FileInfo, name string) error {
	if old.Mode()&fs.ModeSymlink != 0 {
		target, err := s.dir.Readlink(s.base)
		if err != nil {
			return err
		}
		return s.dir.Symlink(target, name)
	}
	if !old.Mode().IsRegular() {
		return errors.New("it is no regular file, and can't be linked")
	}
	content, err := s.dir.ReadFile(s.base)
	if err != nil {
		return err
	}
	return s.write(name, attributes{keepMode: true, uid: -1, gid: -1}.or(old), content)
}

// Lost says that there was a file and that what was kept of it is gone.
func (p Previous) Lost() bool {
	if p.Kept == "" {
		return false
	}
	_, err := os.Lstat(p.Kept)
	return errors.Is(err, fs.ErrNotExist)
}

// Restore puts back in one step what stood at the destination; where nothing
// did, it removes the file. What was kept stays until Drop, so that Restore can
// be repeated.
func (p Previous) Restore() error {
	switch {
	case p.Path == "":
		return nil
	case p.Kept == "":
		if err := os.Remove(p.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("put back %s: remove the file that was not there before: %w", p.Path, cause(err))
		}
		return nil
	}
	if err := p.restore(); err != nil {
		return fmt.Errorf("put back %s: %w", p.Path, cause(err))
	}
	return nil
}

func (p Previous) restore() error {
	dir, err := os.OpenRoot(filepath.Dir(p.Path))
	if err != nil {
		return err
	}
	base, kept := filepath.Base(p.Path), filepath.Base(p.Kept)
	again := (&Staged{base: base}).hidden(tempSuffix)
	s := &Staged{dir: dir, base: kept, temp: again}
	defer s.Discard() // also after a rename of a file onto another name of itself: that leaves both
	there, err := s.second(again)
	if err == nil && !there {
		return fs.ErrNotExist
	}
	if err != nil { // no room for another name: then the kept one itself
		return dir.Rename(kept, base)
	}
	return dir.Rename(again, base)
}

// Drop lets go of what was kept. It is harmless twice.
func (p Previous) Drop() error {
	if p.Kept == "" {
		return nil
	}
	if err := os.Remove(p.Kept); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s, which holds what %s was before: %w", p.Kept, p.Path, cause(err))
	}
	return nil
}

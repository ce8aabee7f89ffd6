package destination

import (
	"errors"
	"fmt"
	"io/fs"
	"os/user"
	"strconv"
	"syscall"
)

type attributes struct {
	mode     fs.FileMode
	keepMode bool // the mode of a file that is there wins
	uid, gid int  // -1 = leave alone
	insists  bool // the configuration asks for this owner: a refusal is an error
}

const defaultMode fs.FileMode = 0o644

func (f File) attributes() (attributes, error) {
	a := attributes{mode: f.Perms.Perm(), uid: -1, gid: -1}
	var err error
	if f.User != "" {
		if a.uid, err = lookup(f.User, userID); err != nil {
			return a, fmt.Errorf("user %q: %w", f.User, err)
		}
	}
	if f.Group != "" {
		if a.gid, err = lookup(f.Group, groupID); err != nil {
			return a, fmt.Errorf("group %q: %w", f.Group, err)
		}
	}
	a.insists = f.User != "" || f.Group != ""
	if a.mode == 0 && !f.ExactPerms {
		a.mode, a.keepMode = defaultMode, true
	}
	return a, nil
}

// or fills what the configuration leaves open from the file that is there.
func (a attributes) or(old fs.FileInfo) attributes {
	if a.keepMode {
		a.mode = old.Mode().Perm()
	}
	if st, ok := old.Sys().(*syscall.Stat_t); ok {
		if a.uid < 0 {
			a.uid = int(st.Uid)
		}
		if a.gid < 0 {
			a.gid = int(st.Gid)
		}
	}
	return a
}

func (a attributes) same(old fs.FileInfo) bool {
	st, ok := old.Sys().(*syscall.Stat_t)
	return ok && a.mode.Perm() == old.Mode().Perm() &&
		(a.uid < 0 || a.uid == int(st.Uid)) && (a.gid < 0 || a.gid == int(st.Gid))
}

func lookup(name string, find func(string) (string, error)) (int, error) {
	if n, err := strconv.Atoi(name); err == nil && n >= 0 {
		return n, nil
	}
	id, err := find(name)
	if err != nil {
		return -1, errors.New("there is no such name on this host")
	}
	return strconv.Atoi(id)
}

func userID(name string) (string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return "", err
	}
	return u.Uid, nil
}

func groupID(name string) (string, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return "", err
	}
	return g.Gid, nil
}

package child

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// credential finds out what user and group (names or numbers) mean; nil when
// the child stays who we are. A number needs no entry anywhere: there may be no
// /etc/passwd.
func credential(userName, groupName string) (*syscall.Credential, error) {
	if userName == "" && groupName == "" {
		return nil, nil
	}
	c := &syscall.Credential{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())}
	if err := setUser(c, userName); err != nil {
		return nil, err
	}
	if err := setGroup(c, groupName); err != nil {
		return nil, err
	}
	if int(c.Uid) == os.Geteuid() && int(c.Gid) == os.Getegid() && os.Geteuid() != 0 {
		return nil, nil // who we are: nothing that we might not be allowed to do
	}
	if err := mayChange(); err != nil {
		return nil, fmt.Errorf("the child can't run as user %d and group %d: %w", c.Uid, c.Gid, err)
	}
	return c, nil
}

func setUser(c *syscall.Credential, name string) error {
	if name == "" {
		return nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		if n, numErr := strconv.ParseUint(name, 10, 32); numErr == nil {
			c.Uid, c.Gid = uint32(n), uint32(n)
			if u, err = user.LookupId(name); err != nil {
				return nil
			}
		}
	}
	if err != nil {
		return fmt.Errorf("the child's user %q: %w", name, err)
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return fmt.Errorf("the child's user %q: %w", name, err)
	}
	c.Uid, c.Gid = uint32(uid), uint32(gid)
	ids, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("the groups of the child's user %q: %w", name, err)
	}
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			c.Groups = append(c.Groups, uint32(n))
		}
	}
	return nil
}

func setGroup(c *syscall.Credential, name string) error {
	if name == "" {
		return nil
	}
	g, err := user.LookupGroup(name)
	if err == nil {
		name = g.Gid
	}
	n, numErr := strconv.ParseUint(name, 10, 32)
	if numErr != nil {
		return fmt.Errorf("the child's group %q: %w", name, err)
	}
	c.Gid = uint32(n)
	return nil
}

// mayChange says whether this process may run others as somebody else. Being
// root is not enough where capabilities were taken away.
func mayChange() error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return nil //nolint:nilerr // the kernel will say when the child is started
	}
	const need = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID
	if data[0].Effective&need != need {
		return errors.New("this process has not the capabilities CAP_SETUID and CAP_SETGID: start it as root with them, or leave user and group out")
	}
	return nil
}

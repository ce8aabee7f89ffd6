package state

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const lockSuffix = ".lock"

// acquire locks the file at path, which is made when it is missing. The lock
// goes with the process, however that ends.
func acquire(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
		if err != nil {
			return nil, fmt.Errorf("open its lock: %w", err)
		}
		if err := flock(f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		// Its last owner may have removed it between our open and our lock: what
		// we hold then is no longer what others find at path.
		if there, err := os.Lstat(path); err == nil {
			if mine, err := f.Stat(); err == nil && os.SameFile(there, mine) {
				return f, sign(f)
			}
		}
		_ = f.Close()
	}
}

func flock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("%w%s, which holds the lock %s", ErrInUse, owner(f), f.Name())
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return nil
}

// sign leaves our process id in the lock, for the message of whoever comes next.
func sign(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("write its lock: %w", err)
	}
	// A full disk costs the next process a number in a message, no more.
	_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return nil
}

func owner(f *os.File) string {
	b, _ := io.ReadAll(io.LimitReader(f, 32))
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", pid)
}

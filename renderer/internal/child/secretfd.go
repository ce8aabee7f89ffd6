package child

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// SecretFD puts content into a file that exists in memory only and can't be
// changed any more; name is what /proc shows of it. It is closed when this
// process executes another program, until Inherit was called for it.
func SecretFD(name string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, syscall.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, fmt.Errorf("a file in memory for %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := fillAndSeal(f, content); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("a file in memory for %s: %w", name, err)
	}
	return f, nil
}

func fillAndSeal(f *os.File, content []byte) error {
	if _, err := f.Write(content); err != nil {
		return err
	}
	if _, err := f.Seek(0, 0); err != nil {
		return err
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
	_, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals)
	return err
}

// Inherit keeps a file open in the program that Exec becomes, and gives its
// number there. f must stay referenced until then.
func Inherit(f *os.File) (fd int, err error) {
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, 0); err != nil {
		return 0, fmt.Errorf("passing on the descriptor of %s: %w", f.Name(), err)
	}
	return int(f.Fd()), nil
}

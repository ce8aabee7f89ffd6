package destination

import (
	"os"
	"syscall"
	"time"
)

// Stamp tells a file from what it was: not its content, but what changes with
// it. The zero Stamp is a file that is not there.
type Stamp struct {
	inode    uint64
	size     int64
	modified time.Time
}

// Stat gives the stamp of what is at path now.
func Stat(path string) Stamp {
	info, err := os.Lstat(path)
	if err != nil {
		return Stamp{}
	}
	s := Stamp{size: info.Size(), modified: info.ModTime()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = st.Ino
	}
	return s
}

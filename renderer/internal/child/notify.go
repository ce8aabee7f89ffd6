package child

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// listener hears one child say that it is ready, by systemd's protocol. Its
// address is one without a file, which the kernel picks: anybody may write
// there, so only the child's user and root are believed.
type listener struct {
	conn  *net.UnixConn
	uid   uint32
	ready chan struct{} // closed at READY=1
	done  sync.WaitGroup
}

func listen(uid uint32) (*listener, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("a socket where the child says that it is ready: %w", err)
	}
	if err := askSenders(conn); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("a socket where the child says that it is ready: %w", err)
	}
	l := &listener{conn: conn, uid: uid, ready: make(chan struct{})}
	l.done.Go(l.hear)
	return l, nil
}

// askSenders makes every message tell who sent it.
func askSenders(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	})
	if err != nil {
		return err
	}
	return set
}

func (l *listener) address() string { return l.conn.LocalAddr().String() }

// hear reads all that is said, so that nobody who says more is ever blocked.
func (l *listener) hear() {
	buf, meta := make([]byte, 4096), make([]byte, 256)
	for said := false; ; {
		n, m, _, _, err := l.conn.ReadMsgUnix(buf, meta)
		if err != nil {
			return // closed
		}
		if !said && l.believes(meta[:m]) && slices.Contains(strings.Split(string(buf[:n]), "\n"), "READY=1") {
			said = true
			close(l.ready)
		}
	}
}

// believes looks who sent a message. Descriptors that came with it are closed.
func (l *listener) believes(meta []byte) (ok bool) {
	parts, err := syscall.ParseSocketControlMessage(meta)
	if err != nil {
		return false
	}
	for _, p := range parts {
		if fds, err := syscall.ParseUnixRights(&p); err == nil {
			for _, fd := range fds {
				_ = syscall.Close(fd)
			}
		}
		if c, err := syscall.ParseUnixCredentials(&p); err == nil {
			ok = c.Uid == l.uid || c.Uid == 0
		}
	}
	return ok
}

func (l *listener) close() {
	_ = l.conn.Close()
	l.done.Wait()
}

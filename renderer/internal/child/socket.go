package child

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// firstPassed is the number of the first socket in the child, by systemd's
// protocol.
const firstPassed = 3

// bound are the sockets that were opened. They are never accepted from here:
// connections wait in the kernel's queue for the child, whichever it is.
type bound struct {
	names []string
	files []*os.File
	paths []string // of unix sockets, removed at the end
}

func bind(sockets []Socket) (*bound, error) {
	b := &bound{}
	for _, s := range sockets {
		if err := b.add(s); err != nil {
			b.close()
			return nil, fmt.Errorf("the socket %s %s for the child: %w", s.Network, s.Address, err)
		}
	}
	return b, nil
}

func (b *bound) add(s Socket) error {
	name := s.Name
	if name == "" {
		name = "listen"
	}
	if strings.ContainsAny(name, ":\x00") {
		return fmt.Errorf("the name %q has a colon or NUL in it", name)
	}
	onDisk := strings.HasPrefix(s.Network, "unix") && !strings.HasPrefix(s.Address, "@")
	if onDisk {
		if err := removeStale(s.Network, s.Address); err != nil {
			return err
		}
	}
	f, err := open(s)
	if err != nil {
		return err
	}
	b.names, b.files = append(b.names, name), append(b.files, f)
	if onDisk {
		b.paths = append(b.paths, s.Address)
	}
	return nil
}

// open listens, and gives a descriptor that stays when Go's own is closed.
func open(s Socket) (*os.File, error) {
	var lc net.ListenConfig
	switch s.Network {
	case "tcp", "tcp4", "tcp6":
		l, err := lc.Listen(context.Background(), s.Network, s.Address)
		if err != nil {
			return nil, err
		}
		return detach(l.(*net.TCPListener))
	case "unix":
		l, err := lc.Listen(context.Background(), s.Network, s.Address)
		if err != nil {
			return nil, err
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		return detach(l.(*net.UnixListener))
	case "udp", "udp4", "udp6", "unixgram":
		c, err := lc.ListenPacket(context.Background(), s.Network, s.Address)
		if err != nil {
			return nil, err
		}
		return detach(c.(interface {
			File() (*os.File, error)
			Close() error
		}))
	}
	return nil, fmt.Errorf("%q is none of tcp, tcp4, tcp6, unix, udp, udp4, udp6, unixgram", s.Network)
}

func detach(l interface {
	File() (*os.File, error)
	Close() error
},
) (*os.File, error) {
	f, err := l.File()
	return f, errors.Join(err, l.Close())
}

// removeStale removes what a killed process left of its socket, but nothing
// that answers, and nothing that is no socket.
func removeStale(network, path string) error {
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.Mode()&fs.ModeSocket == 0 {
		return errors.New("there is something that is no socket: remove it")
	}
	c, err := net.DialTimeout(network, path, time.Second)
	if err == nil {
		_ = c.Close()
		return errors.New("another process listens there")
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// environ is what systemd's protocol says of the sockets; LISTEN_PID comes
// later, from the process itself.
func (b *bound) environ() []string {
	if len(b.files) == 0 {
		return nil
	}
	return []string{
		"LISTEN_FDS=" + strconv.Itoa(len(b.files)),
		"LISTEN_FDNAMES=" + strings.Join(b.names, ":"),
	}
}

func (b *bound) close() {
	for _, f := range b.files {
		_ = f.Close()
	}
	for _, p := range b.paths {
		_ = os.Remove(p)
	}
	b.files, b.paths = nil, nil
}

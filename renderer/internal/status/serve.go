package status

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
)

// ServeOptions say where a program shows its status.
type ServeOptions struct {
	Address string // unix:///path, or host:port
	Mode    uint32 // of a socket; 0600 when not set
	User    string // of a socket: name or number; "" = the process's
	Group   string // likewise
	Log     *slog.Logger
}

// Source is what the status endpoints show and ask for.
type Source struct {
	// Report gives how the program is. It is given two seconds: a loop that does
	// not answer in them counts as stuck.
	Report func(context.Context) (Report, error)
	// Refresh asks for a look-up of all leases now, and must not block. The
	// reason is for the log: printable, and bounded. It is called at most once a
	// second; what is asked in between becomes one call.
	Refresh func(reason string)
	Metrics http.Handler // nil = no metrics
}

// Serve takes the address for the status endpoints:
//
//	GET  /-/healthy   200 while the loop answers
//	GET  /-/ready     200, or 503 with the reasons as text
//	GET  /-/status    the Report as JSON
//	POST /-/refresh   202: all leases are looked up now; the body may be {"reason": "..."}
//	GET  /-/metrics   what was counted
//
// Connections are answered once Run runs. A socket that a killed program left
// is replaced; one that is in use is not.
func Serve(o ServeOptions, source Source) (*Server, error) {
	s := &Server{name: "status " + o.Address}
	s.o = Options{Type: "tcp", Address: o.Address, TLS: TLS{Disable: true}}
	var err error
	if path, ok := strings.CutPrefix(o.Address, unixScheme); ok {
		s.o.Type, s.o.Address = "unix", path
		s.listener, err = o.socket(path)
	} else {
		s.listener, err = listenTCP(o.Address)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	r := &refresher{call: source.Refresh}
	s.ended = r.stop
	s.http = answering(endpoints(source, r), o.Log)
	return s, nil
}

const (
	unixScheme  = "unix://"
	defaultMode = 0o600
)

// socket listens at path. Nobody can connect before the mode is right: a socket
// comes into being with what its descriptor had.
func (o ServeOptions) socket(path string) (net.Listener, error) {
	uid, gid, err := o.owner()
	if err == nil {
		err = removeStale(path)
	}
	if err != nil {
		return nil, err
	}
	mode := fs.FileMode(o.Mode) & fs.ModePerm
	if mode == 0 {
		mode = defaultMode
	}
	closed := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) { failed = syscall.Fchmod(int(fd), defaultMode&uint32(mode)) })
		return errors.Join(err, failed)
	}}
	l, err := closed.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	if uid >= 0 || gid >= 0 {
		err = os.Chown(path, uid, gid)
	}
	if err == nil {
		err = os.Chmod(path, mode)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// owner gives the socket's owners; -1 leaves one as it is.
func (o ServeOptions) owner() (uid, gid int, err error) {
	uid, gid = -1, -1
	if o.User != "" {
		if uid, err = userID(o.User); err != nil {
			return 0, 0, fmt.Errorf("user: %w", err)
		}
	}
	if o.Group != "" {
		if gid, err = groupID(o.Group); err != nil {
			return 0, 0, fmt.Errorf("group: %w", err)
		}
	}
	return uid, gid, nil
}

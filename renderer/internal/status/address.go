package status

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-sockaddr/template"
)

func listenTCP(address string) (net.Listener, error) {
	address, err := expand(address)
	if err != nil {
		return nil, err
	}
	network := "tcp"
	if strings.HasPrefix(address, "0.0.0.0:") {
		network = "tcp4" // else it would be all of IPv6 too
	}
	return net.Listen(network, address)
}

// expand executes a go-sockaddr template, such as {{ GetPrivateIP }}:8200. It
// must give one address.
func expand(address string) (string, error) {
	if !strings.Contains(address, "{{") {
		return address, nil
	}
	text, err := template.Parse(address)
	if err != nil {
		return "", fmt.Errorf("its address: %w", err)
	}
	all := strings.Fields(text)
	if len(all) != 1 {
		return "", fmt.Errorf("its address has to be one, but the template gives %d: %q", len(all), text)
	}
	return all[0], nil
}

func listenUnix(o Options) (net.Listener, error) {
	if err := removeStale(o.Address); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", o.Address)
	if err != nil {
		return nil, err
	}
	if err := own(o); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// removeStale takes away the socket that a killed program left. Vault Agent
// takes away whatever is there; a socket that is in use, and what is no socket,
// stay here.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("%s is there and is no socket; remove it, or give another path", path)
	}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = conn.Close()
		return fmt.Errorf("%s is in use: another program listens there", path)
	}
	return os.Remove(path)
}

// own sets the socket's mode and owners.
func own(o Options) error {
	if o.SocketMode == "" || o.SocketUser == "" || o.SocketGroup == "" {
		return nil
	}
	mode, err := strconv.ParseUint(o.SocketMode, 8, 32)
	if err != nil || mode > 0o777 {
		return fmt.Errorf("socket_mode %q: give an octal number, such as 660", o.SocketMode)
	}
	uid, err := userID(o.SocketUser)
	if err != nil {
		return fmt.Errorf("socket_user: %w", err)
	}
	gid, err := groupID(o.SocketGroup)
	if err != nil {
		return fmt.Errorf("socket_group: %w", err)
	}
	if err := os.Chown(o.Address, uid, gid); err != nil {
		return err
	}
	return os.Chmod(o.Address, os.FileMode(mode))
}

func userID(name string) (int, error) {
	if id, err := strconv.Atoi(name); err == nil {
		return id, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(u.Uid)
}

func groupID(name string) (int, error) {
	if id, err := strconv.Atoi(name); err == nil {
		return id, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(g.Gid)
}

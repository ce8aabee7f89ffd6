package child

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// freePort gives an address nobody listens at.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// TestSockets: connections that are made before the child runs wait for it.
func TestSockets(t *testing.T) {
	dir := t.TempDir()
	stale, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = stale.Close()
	sockets := []Socket{
		{Network: "tcp", Address: freePort(t)},
		{Name: "second", Network: "unix", Address: filepath.Join(dir, "s")},
		{Name: "packets", Network: "udp", Address: freePort(t)},
	}
	command, env := selfAs("sockets")
	r := supervise(t, Options{Command: command, Env: env, Sockets: sockets})
	var conns []net.Conn
	for _, s := range sockets {
		conn, err := net.Dial(s.Network, s.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		conns = append(conns, conn)
	}
	if _, err := conns[2].Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	r.Set(Update{})
	for i, want := range []string{"listen", "second", "packets"} {
		b := make([]byte, 100)
		_ = conns[i].SetReadDeadline(time.Now().Add(patience))
		if n, err := conns[i].Read(b); err != nil || string(b[:n]) != want {
			t.Errorf("%s: %q, %v", want, b[:n], err)
		}
	}
	r.endsWith(42)
	if _, err := os.Stat(filepath.Join(dir, "s")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket's file: %v", err)
	}
}

func TestSocketsThatCanNotBe(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for want, s := range map[string]Socket{
		"no socket: remove it":    {Network: "unix", Address: write(t, "precious")},
		"another process listens": {Network: "unix", Address: l.Addr().String()},
		"colon":                   {Name: "a:b", Network: "tcp", Address: "127.0.0.1:0"},
		"missing port":            {Network: "tcp", Address: "127.0.0.1"},
	} {
		if _, err := bind([]Socket{s}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestTrampolineFails: what can't be executed ends with the shell's codes.
func TestTrampolineFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app")
	if err := os.WriteFile(path, []byte("\x00"), 0o755); err != nil {
		t.Fatal(err)
	}
	said := &lines{}
	code, ran := Trampoline([]string{trampolineName, path, "app", canary}, said)
	if !ran || code != CodeNotExecutable || !strings.Contains(said.String(), "no program for this machine") || strings.Contains(said.String(), canary) {
		t.Errorf("%v %d %s", ran, code, said)
	}
	if _, ran := Trampoline([]string{"vault-renderer", "agent", "-config=x"}, said); ran {
		t.Error("an ordinary start was taken for one")
	}
}

// TestSocketsKeepTheGroup: the way round through this program changes nothing
// for signals and the end.
func TestSocketsKeepTheGroup(t *testing.T) {
	r := supervise(t, Options{Sockets: []Socket{{Network: "tcp", Address: freePort(t)}}})
	r.Set(Update{})
	r.says("start", 1)
	pid := r.child()
	if group, err := syscall.Getpgid(pid); err != nil || group != pid {
		t.Errorf("group %d of %d, %v", group, pid, err)
	}
	if err := r.Signal(syscall.SIGHUP); err != nil {
		t.Error(err)
	}
	r.says("HUP", 1)
	r.stop()
	r.endsWith(-1)
}

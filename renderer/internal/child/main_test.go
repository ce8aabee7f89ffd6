package child

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// role makes the test binary something else than the tests.
const role = "CHILD_TEST_ROLE"

func TestMain(m *testing.M) {
	if code, ran := Trampoline(os.Args, os.Stderr); ran {
		os.Exit(code)
	}
	switch os.Getenv(role) {
	case "":
		goleak.VerifyTestMain(m)
	case "supervisor":
		os.Exit(supervisorRole())
	case "exec":
		os.Exit(execRole())
	case "init":
		os.Exit(initRole())
	case "sockets":
		os.Exit(socketsRole())
	case "notifies":
		os.Exit(notifiesRole())
	case "joins":
		os.Exit(joinsRole())
	case "hidden":
		os.Exit(hiddenRole())
	}
}

// as gives a command that runs this binary in a role.
func as(t *testing.T, name string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), append(env, role+"="+name)...)
	cmd.Stderr = os.Stderr
	return cmd
}

// supervisorRole runs the script in SCRIPT as its only child, and ends as it.
func supervisorRole() int {
	s, err := New(Options{
		Command: []string{"sh", "-c", os.Getenv("SCRIPT")}, Env: withoutRole(),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	})
	if err != nil {
		fmt.Println(err)
		return 99
	}
	s.Set(Update{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	Forward(ctx, func(sig os.Signal) {
		if strings.Contains(os.Getenv("STOP"), sig.String()) {
			cancel()
			return
		}
		_ = s.Signal(sig)
	})
	return codeFor(s.Run(ctx))
}

func codeFor(err error) int {
	if err == nil {
		return 0
	}
	if exit, ok := err.(*ExitError); ok { //nolint:errorlint // Run gives it as it is
		return exit.Code
	}
	return 98
}

func withoutRole() []string {
	return only(os.Environ(), func(name string) bool { return name != role })
}

// joinsRole leaves its process group for that of its parent.
func joinsRole() int {
	group, err := syscall.Getpgid(os.Getppid())
	if err == nil {
		err = syscall.Setpgid(0, group)
	}
	if err == nil {
		err = os.WriteFile(os.Getenv("OUT")+"pid", []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	time.Sleep(100 * time.Second) // it is killed
	return 0
}

// selfAs gives the command and the environment for a child that is this binary
// in a role.
func selfAs(name string) (command, env []string) {
	return []string{os.Args[0]}, []string{role + "=" + name}
}

// notifiesRole says that it is ready, after something else.
func notifiesRole() int {
	conn, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for _, m := range []string{"STATUS=soon", "STATUS=now\nREADY=1\nMAINPID=1", "READY=1"} {
		if _, err := conn.Write([]byte(m)); err != nil {
			return 2
		}
	}
	time.Sleep(100 * time.Second) // it is killed
	return 0
}

// socketsRole answers once at each socket that it was passed, with its name.
func socketsRole() int {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return 1
	}
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	if strconv.Itoa(len(names)) != os.Getenv("LISTEN_FDS") {
		return 2
	}
	for i, name := range names {
		f := os.NewFile(uintptr(firstPassed+i), name)
		if strings.HasPrefix(name, "packet") {
			conn, err := net.FilePacketConn(f)
			if err != nil {
				return 3
			}
			_, from, _ := conn.ReadFrom(make([]byte, 10))
			_, _ = conn.WriteTo([]byte(name), from)
			continue
		}
		l, err := net.FileListener(f)
		if err != nil {
			return 4
		}
		conn, err := l.Accept()
		if err != nil {
			return 5
		}
		_, _ = conn.Write([]byte(name))
		_ = conn.Close()
	}
	return 42
}

// hiddenRole is a supervisor whose memory nobody may look at, as that of the
// program: its own /proc is root's then. It says whether it can tell its
// children from orphans, and starts one with a socket.
func hiddenRole() int {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		fmt.Println(err)
		return 90
	}
	fmt.Println("handles:", handlesWork())
	s, err := New(Options{
		Command: []string{"sh", "-c", `test "$LISTEN_PID" = $$ && test "$(id -u)" = "$WANT" && exit 33`},
		Env:     withoutRole(), Stderr: os.Stderr, User: os.Getenv("USER_OF_CHILD"),
		Sockets: []Socket{{Network: "tcp", Address: "127.0.0.1:0"}},
	})
	if err != nil {
		fmt.Println(err)
		return 91
	}
	s.Set(Update{})
	return codeFor(s.Run(context.Background()))
}

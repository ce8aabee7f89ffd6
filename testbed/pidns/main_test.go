package pidns

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// role makes the test binary the application.
const role = "PIDNS_TEST_ROLE"

func TestMain(m *testing.M) {
	Enter(os.Args)
	if os.Getenv(role) == "server" {
		os.Exit(server())
	}
	os.Exit(m.Run())
}

// server answers HTTP at the socket that it was passed, says when it does, and
// ends at SIGTERM when it has answered all that it accepted.
func server() int {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) || os.Getenv("LISTEN_FDS") != "1" {
		fmt.Println("no socket was passed")
		return 1
	}
	l, err := net.FileListener(os.NewFile(3, "listen"))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var open, served sync.WaitGroup
	s := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, os.Getenv("X")) }),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				open.Add(1)
			case http.StateClosed:
				open.Done()
			}
		},
	}
	served.Go(func() { _ = s.Serve(l) })
	if err := sayReady(); err != nil {
		fmt.Println(err)
		return 1
	}
	<-ctx.Done()
	// Not Shutdown: it hangs up on a request that is read just then.
	_ = l.Close()
	served.Wait()
	open.Wait()
	return 0
}

func sayReady() error {
	conn, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_, err = conn.Write([]byte("READY=1"))
	return err
}

// program builds the program that supervises, statically: the tests of the
// package that it is about, which can play it.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "init")
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-race=false", "-o", path, "vault-renderer/renderer/internal/child")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the supervisor: %v\n%s", err, out)
	}
	return path
}

package mariadb

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// TestMain lets the test binary be the parent that dies in TestDiesWithParent.
func TestMain(m *testing.M) {
	if os.Getenv("MARIADB_TEST_PARENT") != "" {
		s, err := Start(context.Background(), Options{Dir: os.Getenv("MARIADB_TEST_PARENT")})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(s.proc.cmd.Process.Pid)
		select {}
	}
	os.Exit(m.Run())
}

func start(t *testing.T, dir string) *Server {
	t.Helper()
	if _, err := Find(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	began := time.Now()
	s, err := Start(ctx, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %v", time.Since(began).Round(time.Millisecond))
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func tcp(t *testing.T, s *Server, user, password string) *sql.DB {
	t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = user, password, "tcp", s.Addr()
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func mustExec(t *testing.T, db *sql.DB, queries ...string) {
	t.Helper()
	for _, q := range queries {
		if _, err := db.Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

// TestLife walks one server through everything its API offers, because a
// start costs a second.
func TestLife(t *testing.T) {
	// A folder far too deep for a socket in it.
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep", 30))
	s := start(t, dir)
	ctx := t.Context()

	if err := tcp(t, s, "root", s.RootPassword()).Ping(); err != nil {
		t.Errorf("root over TCP: %v", err)
	}
	for _, user := range []string{"root", ""} {
		if err := tcp(t, s, user, "").Ping(); err == nil {
			t.Errorf("user %q needs no password", user)
		}
	}
	if _, err := os.Stat(s.initFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file with the root password is still there: %v", err)
	}

	mustExec(t, s.Admin(), "CREATE DATABASE app", "CREATE TABLE app.t (id INT)", "INSERT INTO app.t VALUES (7)",
		"CREATE USER 'v-b'@'%' IDENTIFIED BY 'canary-b'", "CREATE USER 'v-a'@'127.0.0.1' IDENTIFIED BY 'canary-a'", "CREATE USER other@'%'",
		"GRANT SELECT ON app.* TO 'v-b'@'%'")
	if users, err := s.Users(ctx); err != nil || strings.Join(users, " ") != "v-a v-b" {
		t.Errorf("Users() = %v, %v", users, err)
	}
	if err := tcp(t, s, "v-b", "canary-b").Ping(); err != nil {
		t.Errorf("a made user over TCP: %v", err)
	}

	addr := s.Addr()
	for name, end := range map[string]func() error{"running": func() error { return nil }, "killed": s.Kill} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := s.Restart(ctx); err != nil {
			t.Fatalf("Restart when %s: %v", name, err)
		}
		t.Logf("restarted when %s in %v", name, time.Since(began).Round(time.Millisecond))
		var n int
		if err := s.Admin().QueryRow("SELECT id FROM app.t").Scan(&n); err != nil || n != 7 {
			t.Errorf("after Restart when %s: %d, %v", name, n, err)
		}
	}
	if s.Addr() != addr {
		t.Errorf("address changed from %s to %s", addr, s.Addr())
	}
	checkStop(t, s)
}

func checkStop(t *testing.T, s *Server) {
	t.Helper()
	pid := s.proc.cmd.Process.Pid
	for range 2 { // the second does nothing
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the server still runs: %v", err)
	}
	if _, err := os.Stat(s.sockDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's folder is still there: %v", err)
	}
	if c, err := net.Dial("tcp", s.Addr()); err == nil {
		c.Close()
		t.Error("somebody still listens")
	}
}

func TestDiesWithParent(t *testing.T) {
	if _, err := Find(); err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "MARIADB_TEST_PARENT="+t.TempDir())
	parent.Stderr = t.Output()
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	_ = parent.Process.Kill()
	_ = parent.Wait()
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for running(pid) {
		if time.Now().After(deadline) {
			t.Fatalf("server %d outlived its parent", pid)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// running is false for a zombie too: who reaps it is not our business.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}

func TestNotFoundSaysWhatToInstall(t *testing.T) {
	if !strings.Contains(ErrNotFound.Error(), "apt-get install mariadb-server") {
		t.Error(ErrNotFound)
	}
	if _, err := lookUp("no-such-program"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

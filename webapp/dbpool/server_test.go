package dbpool

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vault-renderer/testbed/mariadb"
)

// server is the MariaDB that all tests of this package share; nil when it is
// not installed.
var server *mariadb.Server

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if _, err := mariadb.Find(); err != nil {
		return m.Run()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := mariadb.Start(ctx, mariadb.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer s.Stop()
	for _, q := range []string{
		"CREATE DATABASE app",
		"CREATE TABLE app.t (id INT AUTO_INCREMENT PRIMARY KEY, b VARCHAR(100))",
	} {
		if _, err := s.Admin().Exec(q); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	server = s
	return m.Run()
}

func needServer(t testing.TB) {
	t.Helper()
	if server == nil {
		t.Fatal(mariadb.ErrNotFound)
	}
}

var users atomic.Int64

// newUser makes an account with privileges on what (such as "app.*") and
// returns how to connect with it.
func newUser(t testing.TB, what string) Config {
	t.Helper()
	n := users.Add(1)
	c := config(fmt.Sprintf("v-user-%d", n), fmt.Sprintf("canary-%d:@/#?", n))
	exec(t, server.Admin(),
		fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", c.User, c.Password),
		fmt.Sprintf("GRANT SELECT, INSERT ON %s TO '%s'@'%%'", what, c.User))
	return c
}

// dropUser does what Vault's MySQL plugin does to revoke.
func dropUser(t testing.TB, c Config) {
	t.Helper()
	exec(t, server.Admin(),
		fmt.Sprintf("REVOKE ALL PRIVILEGES, GRANT OPTION FROM '%s'@'%%'", c.User),
		fmt.Sprintf("DROP USER '%s'@'%%'", c.User))
}

func config(user, password string) Config {
	host, port, _ := strings.Cut(server.Addr(), ":")
	c := Config{Host: host, User: user, Password: password, Database: "app"}
	_, _ = fmt.Sscan(port, &c.Port)
	return c
}

func exec(t testing.TB, db *sql.DB, queries ...string) {
	t.Helper()
	for _, q := range queries {
		if _, err := db.Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

func newPool(t testing.TB, o Options) *Pool {
	t.Helper()
	needServer(t)
	p, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func use(t testing.TB, p *Pool, c Config) {
	t.Helper()
	if err := p.Use(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func drained(t testing.TB, p *Pool) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	began := time.Now()
	if err := p.Drained(ctx, p.Stats().Generation); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

// sessions counts the server's sessions of a user.
func sessions(t testing.TB, user string) int {
	t.Helper()
	var n int
	if err := server.Admin().QueryRow("SELECT COUNT(*) FROM information_schema.processlist WHERE user = ?", user).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// waitFor waits for what another process does in its own time.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}

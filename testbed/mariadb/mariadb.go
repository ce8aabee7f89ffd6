// Package mariadb runs a real, private MariaDB for tests, benchmarks and the
// demo: its own data folder, its own socket, loopback only, gone with the
// process that started it.
//
// It does not download anything (the server must be installed), does not read
// the machine's MariaDB configuration, and is never part of the product.
package mariadb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"vault-renderer/testbed/port"
)

// Options says where a server lives.
type Options struct {
	Dir string    // keeps the data; empty: a temporary folder that Stop removes
	Log io.Writer // gets the server's own log; nil: only its end is kept, for error messages
}

// Server is one running MariaDB.
type Server struct {
	dir, sockDir string
	ownDir       bool // dir was made by Start, so Stop removes it
	ownSockDir   bool
	port         int
	password     string
	binary       string
	log          *tail
	admin        *sql.DB

	mu   sync.Mutex // guards proc and orders Restart, Kill and Stop
	proc *process
}

// portAttempts is how often Start takes another port: between choosing a free
// one and the server's bind somebody else can take it.
const portAttempts = 3

// Start makes a data folder if there is none and runs a server on it. It
// returns when the server answers. ctx bounds the start only: the server lives
// until Stop, Kill, or the end of this process.
func Start(ctx context.Context, o Options) (*Server, error) {
	binary, err := Find()
	if err != nil {
		return nil, err
	}
	s := &Server{binary: binary, dir: o.Dir, log: newTail(o.Log), password: "canary-root-" + rand.Text()}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.cleanUp())
	}
	for range portAttempts {
		if s.port, err = port.Free(); err != nil {
			break
		}
		if err = s.launch(ctx); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.cleanUp())
	}
	return s, nil
}

// Addr is the server's host:port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Socket is the path of the server's unix socket.
func (s *Server) Socket() string { return filepath.Join(s.sockDir, "db.sock") }

// Admin is root's pool. It survives Restart and is closed by Stop.
func (s *Server) Admin() *sql.DB { return s.admin }

// RootPassword is the password of root@localhost (the socket) and
// root@127.0.0.1 (TCP). There is no root@'%'.
func (s *Server) RootPassword() string { return s.password }

// Restart stops the server, if it still runs, and starts it on the same port
// and data.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.proc.stop(); err != nil {
		return err
	}
	return s.launch(ctx)
}

// Kill ends the server as a crash would (SIGKILL) and waits for its end.
// Restart brings it back.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc.kill()
}

// Stop ends the server and removes its socket; a second Stop does nothing.
// The data stays if the caller named its folder.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.admin != nil {
		// Its connections may be dead already, which Close would report.
		_ = s.admin.Close()
	}
	return errors.Join(s.proc.stop(), s.cleanUp())
}

// Users lists the accounts that Vault made: the names that start with "v-".
func (s *Server) Users(ctx context.Context) ([]string, error) {
	rows, err := s.admin.QueryContext(ctx, "SELECT DISTINCT User FROM mysql.user WHERE User LIKE 'v-%' ORDER BY User")
	if err != nil {
		return nil, fmt.Errorf("mariadb: list users: %w", err)
	}
	defer rows.Close()
	users := []string{}
	for rows.Next() {
		var user string
		if err := rows.Scan(&user); err != nil {
			return nil, fmt.Errorf("mariadb: list users: %w", err)
		}
		users = append(users, user)
	}
	return users, rows.Err()
}

// launch starts the process and waits until it answers. The caller holds mu,
// or is Start.
func (s *Server) launch(ctx context.Context) error {
	proc, err := startProcess(s.binary, s.args(), s.log)
	if err != nil {
		return fmt.Errorf("mariadb: start %s: %w", s.binary, err)
	}
	s.proc = proc
	// Root's pool uses the socket, so it outlives restarts and port changes.
	if s.admin == nil {
		if s.admin, err = s.openAdmin(); err != nil {
			return errors.Join(err, proc.kill())
		}
	}
	if err := s.waitReady(ctx); err != nil {
		return errors.Join(err, proc.kill())
	}
	// The first start set the passwords from this file; it holds one.
	_ = os.Remove(s.initFile())
	return nil
}

func (s *Server) openAdmin() (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = "root", s.password, "unix", s.Socket()
	cfg.Timeout = 5 * time.Second
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("mariadb: admin connection: %w", err)
	}
	return sql.OpenDB(connector), nil
}

func (s *Server) waitReady(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.admin.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.proc.done:
			return fmt.Errorf("mariadb: the server ended while starting: %s", s.log)
		case <-ctx.Done():
			return fmt.Errorf("mariadb: not ready: %w (%v): %s", ctx.Err(), err, s.log)
		case <-tick.C:
		}
	}
}

func (s *Server) cleanUp() error {
	var err error
	if s.ownSockDir {
		err = os.RemoveAll(s.sockDir)
	} else if s.sockDir != "" {
		_ = os.Remove(s.Socket())
	}
	if s.ownDir {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}

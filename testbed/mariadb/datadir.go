package mariadb

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxSocketPath is the kernel's limit for a unix socket's path (107 bytes)
// with some room for what programs append to it.
const maxSocketPath = 100

// prepare makes the folders, the data and the file that sets the passwords.
func (s *Server) prepare(ctx context.Context) error {
	if s.dir == "" {
		dir, err := os.MkdirTemp(base(), "mariadb-")
		if err != nil {
			return fmt.Errorf("mariadb: %w", err)
		}
		s.dir, s.ownDir = dir, true
	}
	dir, err := filepath.Abs(s.dir)
	if err != nil {
		return fmt.Errorf("mariadb: %w", err)
	}
	s.dir, s.sockDir = dir, dir
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("mariadb: %w", err)
	}
	if len(s.Socket()) > maxSocketPath {
		if s.sockDir, err = os.MkdirTemp("/tmp", "mdb"); err != nil {
			return fmt.Errorf("mariadb: folder for the socket: %w", err)
		}
		s.ownSockDir = true
	}
	if err := os.MkdirAll(s.tmpDir(), 0o700); err != nil {
		return fmt.Errorf("mariadb: %w", err)
	}
	if err := s.install(ctx); err != nil {
		return err
	}
	return s.writeInitFile()
}

// roomy is what a data folder may need.
const roomy = 512 << 20

// base is where a temporary data folder goes: memory, if there is enough of it,
// because a busy disk makes the server wait for seconds; else the usual place.
func base() string {
	const shm = "/dev/shm"
	var st unix.Statfs_t
	if err := unix.Statfs(shm, &st); err != nil || st.Type != unix.TMPFS_MAGIC || st.Bavail*uint64(st.Bsize) < roomy {
		return ""
	}
	if unix.Access(shm, unix.W_OK) != nil {
		return ""
	}
	return shm
}

// install fills an empty data folder.
func (s *Server) install(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(s.dataDir(), "mysql")); err == nil {
		return nil // a data folder of an earlier server
	}
	installer, err := findInstaller()
	if err != nil {
		return err
	}
	args := append([]string{
		"--no-defaults", "--datadir=" + s.dataDir(), "--auth-root-authentication-method=normal",
		"--skip-test-db", "--skip-name-resolve", "--tmpdir=" + s.tmpDir(),
	}, small()...)
	// The account to run as: as root the server insists on being told.
	if os.Getuid() == 0 {
		args = append(args, "--user=root")
	}
	out, err := exec.CommandContext(ctx, installer, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mariadb: make the data folder: %w: %s", err, out)
	}
	return nil
}

// writeInitFile says what the server runs before it takes connections: so
// there is no moment when root has no password.
func (s *Server) writeInitFile() error {
	// One statement per line: that is all an init file can hold.
	statements := "DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host NOT IN ('localhost', '127.0.0.1'));\n" +
		"FLUSH PRIVILEGES;\n"
	for _, host := range []string{"localhost", "127.0.0.1"} {
		account := fmt.Sprintf("'root'@'%s'", host)
		statements += fmt.Sprintf("CREATE USER IF NOT EXISTS %s;\n", account) +
			fmt.Sprintf("ALTER USER %s IDENTIFIED BY '%s';\n", account, s.password) +
			fmt.Sprintf("GRANT ALL PRIVILEGES ON *.* TO %s WITH GRANT OPTION;\n", account)
	}
	if err := os.WriteFile(s.initFile(), []byte(statements), 0o600); err != nil {
		return fmt.Errorf("mariadb: %w", err)
	}
	return nil
}

func (s *Server) dataDir() string { return filepath.Join(s.dir, "data") }

// tmpDir is the server's own: a server that starts deletes the temporary tables
// that it finds, and with a shared folder these may be another server's.
func (s *Server) tmpDir() string { return filepath.Join(s.dir, "tmp") }

func (s *Server) initFile() string { return filepath.Join(s.dir, "init.sql") }

func (s *Server) args() []string {
	args := append([]string{
		"--no-defaults",
		"--datadir=" + s.dataDir(),
		"--socket=" + s.Socket(),
		"--tmpdir=" + s.tmpDir(),
		"--pid-file=" + filepath.Join(s.dir, "db.pid"),
		"--bind-address=127.0.0.1",
		"--port=" + strconv.Itoa(s.port),
		"--skip-name-resolve",
		"--skip-log-bin",
		"--max-connections=500",
		"--character-set-server=utf8mb4",
		"--innodb-buffer-pool-dump-at-shutdown=0",
		"--innodb-buffer-pool-load-at-startup=0",
		"--table-open-cache=200",
		"--thread-cache-size=64",
	}, small()...)
	if os.Getuid() == 0 {
		args = append(args, "--user=root")
	}
	if _, err := os.Stat(s.initFile()); err == nil {
		args = append(args, "--init-file="+s.initFile())
	}
	return args
}

// small are the settings for a quick start, the same for installer and server
// (a different log size would make the server rewrite its log). Nothing is
// synced to disk: a killed server loses nothing, only a killed machine would.
func small() []string {
	return []string{
		"--innodb-log-file-size=8M",
		"--innodb-buffer-pool-size=32M",
		"--innodb-flush-log-at-trx-commit=2",
		"--innodb-flush-method=nosync",
		"--innodb-doublewrite=0",
		"--innodb-use-native-aio=0",
		"--aria-log-file-size=8M",
	}
}

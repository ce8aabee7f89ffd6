package mariadb

import (
	"errors"
	"os/exec"
	"path/filepath"
)

// ErrNotFound says that the server's programs are not installed; its text
// says how to get them.
var ErrNotFound = errors.New("mariadb: server not found on PATH nor in the usual folders (on Debian or Ubuntu: apt-get install mariadb-server)")

// Find returns the path of the server program.
func Find() (string, error) {
	return lookUp("mariadbd", "mysqld")
}

// findInstaller returns the path of the program that makes a data folder.
func findInstaller() (string, error) {
	return lookUp("mariadb-install-db", "mysql_install_db")
}

// lookUp searches PATH first, then the folders where distributions put
// servers and which an ordinary user's PATH lacks.
func lookUp(names ...string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return filepath.Abs(path)
		}
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/usr/bin", "/usr/local/bin"} {
		for _, name := range names {
			if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return path, nil
			}
		}
	}
	return "", ErrNotFound
}

package child

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// program is a command that was found: what is executed, and with which
// arguments.
type program struct {
	path string
	argv []string
	name string // for people: no arguments
}

// find looks a command up, in the search path of the environment that it will
// run with, seen from dir. Its errors are *ExitError.
func find(command, environ []string, dir string) (*program, error) {
	p := &program{argv: command, name: programName(command)}
	if p.name == "" {
		return nil, errors.New("no command is named")
	}
	if isScript(command) {
		p.argv = []string{"sh", "-c", command[0]}
	}
	for _, a := range p.argv {
		if strings.ContainsRune(a, 0) {
			return nil, fmt.Errorf("the command %s has a NUL byte in an argument", p.name)
		}
	}
	path, err := lookPath(p.argv[0], lookupEnv(environ, "PATH"), dir)
	if err != nil {
		return nil, notStarted(p.name, err)
	}
	p.path = path
	return p, nil
}

func isScript(command []string) bool {
	return len(command) == 1 && strings.ContainsAny(strings.TrimSpace(command[0]), " \t\n")
}

// programName is what people know a command by: its first word, unless that is
// an assignment, which may say more than a log should hold.
func programName(command []string) string {
	switch {
	case len(command) == 0 || strings.TrimSpace(command[0]) == "":
		return ""
	case !isScript(command):
		return strings.TrimSpace(command[0])
	}
	word := strings.Fields(command[0])[0]
	if strings.Contains(word, "=") {
		return "sh"
	}
	return strings.TrimRight(word, ";")
}

// lookPath finds a program as execvp does, but never in an empty element of
// the search path, which would mean the working directory.
func lookPath(name, search, dir string) (string, error) {
	if strings.Contains(name, "/") {
		path := name
		if !filepath.IsAbs(path) {
			abs, err := filepath.Abs(filepath.Join(dir, path))
			if err != nil {
				return "", err
			}
			path = abs
		}
		return path, executable(path)
	}
	if search == "" {
		search = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	refused := error(nil)
	for _, d := range filepath.SplitList(search) {
		if !filepath.IsAbs(d) {
			continue
		}
		path := filepath.Join(d, name)
		err := executable(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) && refused == nil {
			refused = err
		}
	}
	if refused != nil {
		return "", refused
	}
	return "", fmt.Errorf("%w in the directories of PATH (%s)", &missing{}, search)
}

// missing reads better than "file does not exist" where no file is named.
type missing struct{}

// Error implements error.
func (*missing) Error() string { return "not found" }

// Is makes it the error that it is.
func (*missing) Is(target error) bool { return target == fs.ErrNotExist }

func executable(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return plain(err)
	}
	switch {
	case st.IsDir():
		return fmt.Errorf("%s is a directory", path)
	case st.Mode()&0o111 == 0:
		return fmt.Errorf("%s is not executable (mode %04o): chmod +x it", path, st.Mode().Perm())
	}
	if err := unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS); err != nil && !errors.Is(err, syscall.ENOSYS) {
		return fmt.Errorf("%s may not be executed: %w", path, err)
	}
	return nil
}

// plain takes the operation from an error of a file: what it was is clear.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", p.Path, p.Err)
	}
	return err
}

// whyNot says more of a program that the kernel refused to execute than the
// kernel did.
func (p *program) whyNot(err error) *ExitError {
	var at *fs.PathError
	if !errors.As(err, &at) {
		return notStarted(p.name, err)
	}
	if at.Op == "chdir" {
		return &ExitError{Code: CodeNotExecutable, Err: fmt.Errorf("the command %s can't be started: its directory %s: %w", p.name, at.Path, at.Err)}
	}
	switch _, gone := os.Stat(p.path); {
	case errors.Is(at.Err, syscall.ENOENT) && gone == nil:
		return &ExitError{Code: CodeNotExecutable, Err: fmt.Errorf("the command %s can't be started: %s is there, but what its first line or its ELF header names as interpreter is not", p.name, p.path)}
	case errors.Is(at.Err, syscall.ENOEXEC):
		return &ExitError{Code: CodeNotExecutable, Err: fmt.Errorf("the command %s can't be started: %s is no program for this machine, nor a script with a #! line: %w", p.name, p.path, at.Err)}
	case errors.Is(at.Err, syscall.E2BIG):
		return &ExitError{Code: CodeNotExecutable, Err: fmt.Errorf("the command %s can't be started: its environment and arguments are too long for the kernel: put large values into files: %w", p.name, at.Err)}
	}
	return notStarted(p.name, fmt.Errorf("%s: %w", p.path, at.Err))
}

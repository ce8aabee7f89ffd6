package child

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Exit codes for a command that could not be started, as shells give them.
const (
	CodeNotExecutable = 126
	CodeNotFound      = 127
)

// ErrNoChild says that there is nobody to signal: none runs.
var ErrNoChild = errors.New("no child is running")

// ExitError says that the child ended by itself or could not be started, and
// with which code this process should end therefore.
type ExitError struct {
	Code int
	Err  error // why it could not be started; nil = it ran
}

// Error implements error.
func (e *ExitError) Error() string {
	switch {
	case e.Err != nil:
		return e.Err.Error()
	case e.Code > 128 && unix.SignalName(syscall.Signal(e.Code-128)) != "":
		return fmt.Sprintf("the child ended with code %d (%s)", e.Code, unix.SignalName(syscall.Signal(e.Code-128)))
	}
	return fmt.Sprintf("the child ended with code %d", e.Code)
}

// Unwrap gives why the child could not be started.
func (e *ExitError) Unwrap() error { return e.Err }

// codeOf is the code of a process that ended, as a shell gives it.
func codeOf(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return s.ExitCode()
}

// notStarted says why the program could not be run. A name alone is in it: the
// arguments may say more than a log should hold.
func notStarted(program string, err error) *ExitError {
	code := CodeNotExecutable
	if errors.Is(err, os.ErrNotExist) {
		code = CodeNotFound
	}
	return &ExitError{Code: code, Err: fmt.Errorf("the command %s can't be started: %w", program, err)}
}

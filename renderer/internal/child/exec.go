package child

import (
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"syscall"
)

// Exec makes this process the program of command (one element with blanks runs
// through sh -c), with environ as its whole environment and dir ("" = ours) as
// its directory. It returns only when that failed, with an *ExitError where the
// command is to blame. Files closed on exec are closed; no goroutine is awaited.
func Exec(command, environ []string, dir string) error {
	p, err := find(command, environ, dir)
	if err != nil {
		return err
	}
	if dir != "" {
		if err := os.Chdir(dir); err != nil {
			return fmt.Errorf("the command %s can't be started: its directory: %w", p.name, plain(err))
		}
	}
	runtime.LockOSThread() // its signal mask is the program's
	defer runtime.UnlockOSThread()
	err = syscall.Exec(p.path, p.argv, environ)
	return p.whyNot(&fs.PathError{Op: "fork/exec", Path: p.path, Err: err})
}

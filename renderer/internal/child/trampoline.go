package child

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// trampolineName is argv[0] of this program when it is only to become another.
const trampolineName = "vault-renderer: starting"

// Trampoline must be the first thing that main does: code, ran :=
// Trampoline(os.Args, os.Stderr), and os.Exit(code) when it ran. A child that
// sockets are passed to must find its own number in LISTEN_PID, which nobody
// knows before it exists: so it starts as this program, which looks and then
// becomes the application in the same process. It returns only when this is no
// such start, or the application could not be executed.
func Trampoline(args []string, stderr io.Writer) (code int, ran bool) {
	if len(args) < 3 || args[0] != trampolineName {
		return 0, false
	}
	path, argv := args[1], args[2:]
	environ := append(os.Environ(), "LISTEN_PID="+strconv.Itoa(os.Getpid()))
	err := syscall.Exec(path, argv, environ)
	p := &program{path: path, argv: argv, name: path}
	failed := p.whyNot(&fs.PathError{Op: "fork/exec", Path: path, Err: err})
	_, _ = fmt.Fprintf(stderr, "vault-renderer: %v\n", failed)
	return failed.Code, true
}

// throughTrampoline makes cmd start as Trampoline.
func throughTrampoline(cmd *exec.Cmd) {
	cmd.Args = append([]string{trampolineName, cmd.Path}, cmd.Args...)
	cmd.Path = "/proc/self/exe" // even when an upgrade has replaced the file
}

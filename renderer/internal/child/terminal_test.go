package child

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// pty opens a terminal: what a person types and sees, and its other side.
func pty(t *testing.T) (person *os.File, name string) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return person, fmt.Sprintf("/dev/pts/%d", n)
}

// TestTerminal: the child reads from the terminal, Ctrl-C reaches it once and
// not us, and Ctrl-Z stops us both, until the shell goes on.
func TestTerminal(t *testing.T) {
	person, name := pty(t)
	side, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = side.Close() }()
	script := `trap 'echo interrupted' INT; echo up; read a; echo "read $a"; while :; do read b; done` // and forks nothing
	cmd := as(t, "supervisor", "SCRIPT="+script, "STOP="+syscall.SIGTERM.String()+syscall.SIGINT.String())
	cmd.Stdin, cmd.Stdout = side, side
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	shown := &lines{}
	go func() { _, _ = io.Copy(shown, person) }() // until it is closed
	sees := func(want string, n int) {
		t.Helper()
		eventually(t, want, func() bool { return strings.Count(shown.String(), want) >= n })
	}
	foreground := func() int {
		group, _ := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPGRP) // of the other side
		return group
	}
	types := func(s string) { t.Helper(); _, _ = person.WriteString(s) }
	sees("up", 1)
	types("hello\n")
	sees("read hello", 1)
	types("\x03")
	sees("interrupted", 1)
	types("\x1a")
	eventually(t, "both stopped", func() bool { e, _ := readEntry(itoa(pid)); return e.state == 'T' })
	if foreground() != pid {
		t.Errorf("the terminal is that of %d, want %d", foreground(), pid)
	}
	if err := syscall.Kill(-pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the child in the foreground", func() bool { return foreground() != pid })
	types("\x03")
	sees("interrupted", 2)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

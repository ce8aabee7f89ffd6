package reload

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Signal is a hook that signals the process which a pid file names. Without a
// pid file, or with one that names nobody, there is no process to tell: it
// will read the new files when it starts. That is no error.
type Signal struct {
	PIDFile string
	Signal  syscall.Signal
	Log     *slog.Logger
}

// ParseSignal knows signals by name, in any case, with or without SIG.
func ParseSignal(name string) (syscall.Signal, bool) {
	n := strings.ToUpper(strings.TrimSpace(name))
	if !strings.HasPrefix(n, "SIG") {
		n = "SIG" + n
	}
	s := unix.SignalNum(n)
	return s, s != 0
}

// Key implements Hook.
func (s *Signal) Key() string { return fmt.Sprintf("signal\x00%d\x00%s", s.Signal, s.PIDFile) }

// String implements Hook.
func (s *Signal) String() string {
	return fmt.Sprintf("%s to the process in %s", unix.SignalName(s.Signal), s.PIDFile)
}

// Run implements Hook.
func (s *Signal) Run(context.Context) error {
	raw, err := os.ReadFile(s.PIDFile)
	if errors.Is(err, fs.ErrNotExist) {
		s.Log.Info("nobody to signal: there is no pid file", "pid_file", s.PIDFile)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil || pid <= 1 || pid == os.Getpid() {
		return fmt.Errorf("%s: the file does not hold the number of another process", s)
	}
	err = syscall.Kill(pid, s.Signal)
	if errors.Is(err, syscall.ESRCH) {
		s.Log.Info("nobody to signal: the process in the pid file has ended", "pid_file", s.PIDFile, "pid", pid)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: process %d: %w", s, pid, err)
	}
	return nil
}

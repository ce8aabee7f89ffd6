package reload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// commLength is how much of a program's name the kernel keeps.
const commLength = 15

// Process is a hook that signals every process of a program, but never this
// one. Where none runs there is nobody to tell: the program will read the new
// files when it starts. That is no error.
type Process struct {
	Name   string // of the program, as ps shows it, without its directory
	Signal syscall.Signal
	Log    *slog.Logger
}

// Key implements Hook.
func (p *Process) Key() string { return fmt.Sprintf("process\x00%d\x00%s", p.Signal, p.Name) }

// String implements Hook.
func (p *Process) String() string {
	return fmt.Sprintf("%s to every process named %s", unix.SignalName(p.Signal), p.Name)
}

// Run implements Hook. Processes of other users that may not be signalled are
// an error only when there are no others: names are not unique.
func (p *Process) Run(context.Context) error {
	pids, err := pidsOf(p.Name)
	if err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	told := 0
	var refused []error
	for _, pid := range pids {
		switch err := p.signal(pid); {
		case err == nil:
			told++
		case !errors.Is(err, os.ErrProcessDone):
			refused = append(refused, fmt.Errorf("process %d: %w", pid, err))
		}
	}
	return p.result(told, errors.Join(refused...))
}

func (p *Process) result(told int, refused error) error {
	switch {
	case refused != nil && told == 0:
		return fmt.Errorf("%s: %w", p, refused)
	case refused != nil:
		p.Log.Warn("some processes may not be signalled", "name", p.Name, "told", told, "error", refused)
	case told == 0:
		p.Log.Info("nobody to signal: no such process runs", "name", p.Name)
	}
	return nil
}

// signal signals the process if it still is one of the program: its number may
// belong to another one by now. A handle that is taken first can't change hands.
func (p *Process) signal(pid int) error {
	handle, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	defer func() { _ = handle.Release() }()
	if !runs(pid, p.Name) {
		return os.ErrProcessDone
	}
	return handle.Signal(p.Signal)
}

// pidsOf lists the processes of a program, without this one.
func pidsOf(name string) (pids []int, err error) {
	if name == "" || strings.Contains(name, "/") {
		return nil, errors.New("give the program's name without its directory")
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && pid != os.Getpid() && runs(pid, name) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// runs says whether a process runs the program: by its first argument, or by
// what the kernel calls it, which stays when a server writes its state over its
// arguments. The kernel's name may be the beginning of another program's: one as
// long as that has to be among the arguments, as that of a script is. What has
// ended, or belongs to the kernel, has no arguments.
func runs(pid int, name string) bool {
	dir := "/proc/" + strconv.Itoa(pid)
	line, err := os.ReadFile(dir + "/cmdline")
	if err != nil || len(line) == 0 {
		return false
	}
	args := strings.Split(string(line), "\x00")
	if filepath.Base(args[0]) == name {
		return true
	}
	comm, err := os.ReadFile(dir + "/comm")
	if err != nil || strings.TrimSuffix(string(comm), "\n") != name[:min(len(name), commLength)] {
		return false
	}
	return len(name) < commLength || slices.ContainsFunc(args, func(a string) bool { return filepath.Base(a) == name })
}

package reload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// running starts a process that waits until it is killed.
func running(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	if _, err := cmd.StdinPipe(); err != nil { // nobody ever writes to it
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// script is a program known by its own name to the kernel only: its first
// argument is sh.
func script(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\nread x\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return exec.CommandContext(t.Context(), path)
}

// called is a program known by its first argument only.
func called(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh")
	cmd.Args = []string{name, "-c", "read x"}
	return cmd
}

func endedBy(cmd *exec.Cmd) syscall.Signal {
	_ = cmd.Wait()
	return cmd.ProcessState.Sys().(syscall.WaitStatus).Signal()
}

func TestProcess(t *testing.T) {
	var log bytes.Buffer
	name := fmt.Sprintf("vrt%d", os.Getpid())
	hook := func(name string) *Process {
		log.Reset()
		return &Process{Name: name, Signal: syscall.SIGUSR1, Log: slog.New(slog.NewTextHandler(&log, nil))}
	}
	if err := hook(name).Run(t.Context()); err != nil || !strings.Contains(log.String(), "nobody to signal") {
		t.Errorf("none runs: %v, %s", err, log.String())
	}
	both := []*exec.Cmd{running(t, script(t, name)), running(t, called(t, "/opt/app/"+name))}
	other := running(t, called(t, name+"x"))
	if err := hook(name).Run(t.Context()); err != nil || log.Len() > 0 {
		t.Errorf("%v, %s", err, log.String())
	}
	for i, cmd := range both {
		if got := endedBy(cmd); got != syscall.SIGUSR1 {
			t.Errorf("%d: ended by %v", i, got)
		}
	}
	if !alive(other.Process.Pid) {
		t.Error("another program was signalled")
	}
}

// The kernel cuts long names: what is left may be another program's name.
func TestProcessLongName(t *testing.T) {
	long := fmt.Sprintf("vrl%d-with-a-long-name", os.Getpid())
	both := []*exec.Cmd{running(t, script(t, long)), running(t, called(t, "./"+long))}
	p := &Process{Name: long[:commLength], Signal: syscall.SIGUSR1, Log: slog.New(slog.DiscardHandler)}
	if pids, err := pidsOf(p.Name); err != nil || len(pids) > 0 {
		t.Errorf("by the cut name: %v, %v", pids, err)
	}
	p.Name = long
	if err := p.Run(t.Context()); err != nil {
		t.Error(err)
	}
	for i, cmd := range both {
		if got := endedBy(cmd); got != syscall.SIGUSR1 {
			t.Errorf("%d: ended by %v", i, got)
		}
	}
}

// A process that has ended and was not taken away yet is nobody.
func TestProcessZombie(t *testing.T) {
	name := fmt.Sprintf("vrz%d", os.Getpid())
	cmd := running(t, script(t, name))
	if pids, err := pidsOf(name); err != nil || !slices.Equal(pids, []int{cmd.Process.Pid}) {
		t.Errorf("%v, %v", pids, err)
	}
	p := &Process{Name: name, Signal: syscall.SIGKILL, Log: slog.New(slog.DiscardHandler)}
	if err := p.Run(t.Context()); err != nil {
		t.Error(err)
	}
	eventually(t, "the end", func() bool { return !alive(cmd.Process.Pid) })
	if pids, err := pidsOf(name); err != nil || len(pids) > 0 {
		t.Errorf("%v, %v", pids, err)
	}
	if err := p.signal(cmd.Process.Pid); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("%v", err)
	}
}

func TestProcessNeverItself(t *testing.T) {
	name := filepath.Base(os.Args[0])
	if !runs(os.Getpid(), name) {
		t.Fatalf("this is not %s", name)
	}
	if pids, err := pidsOf(name); err != nil || slices.Contains(pids, os.Getpid()) {
		t.Errorf("%v, %v", pids, err)
	}
	for _, bad := range []string{"", "/usr/sbin/nginx"} {
		if err := (&Process{Name: bad, Signal: syscall.SIGHUP}).Run(context.Background()); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

// Processes that may not be signalled are an error when there are no others.
func TestProcessRefused(t *testing.T) {
	var log bytes.Buffer
	p := &Process{Name: "app", Signal: syscall.SIGHUP, Log: slog.New(slog.NewTextHandler(&log, nil))}
	refused := fmt.Errorf("process 7: %w", syscall.EPERM)
	want := "SIGHUP to every process named app: process 7: operation not permitted"
	if err := p.result(0, refused); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	if err := p.result(1, refused); err != nil || !strings.Contains(log.String(), "process 7") {
		t.Errorf("%v, %s", err, log.String())
	}
	if p.Key() == (&Process{Name: "app", Signal: syscall.SIGTERM}).Key() || p.Key() == (&Process{Name: "b", Signal: syscall.SIGHUP}).Key() {
		t.Error("the same key for another hook")
	}
}

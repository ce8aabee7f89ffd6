package reload

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestCommand(t *testing.T) {
	t.Setenv("VAULT_TOKEN", "canary-token")
	for _, c := range []struct {
		name    string
		argv    []string
		out, er string
	}{
		{"list", []string{"echo", "a b", "c"}, "a b c\n", ""},
		{"shell", []string{"echo a; echo b"}, "a\nb\n", ""},
		{"environment", []string{"echo $VAULT_ADDR $VAULT_TOKEN."}, "http://x .\n", ""},
		{"exit code", []string{"exit 3; :"}, "", "command exit: exit status 3"},
		{"missing", []string{"/no/such/program"}, "", "no such file"},
		{"arguments stay out of errors", []string{"false", "canary-arg"}, "", "command false: exit status 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			h := &Command{Argv: c.argv, Timeout: 10 * time.Second, Stdout: &out, Env: Environ(map[string]string{"VAULT_ADDR": "http://x"})}
			err := h.Run(t.Context())
			if (err == nil) != (c.er == "") || err != nil && !strings.Contains(err.Error(), c.er) {
				t.Errorf("error %v, want %q", err, c.er)
			}
			if err != nil && strings.Contains(err.Error(), "canary-") {
				t.Errorf("argument in the error: %v", err)
			}
			if out.String() != c.out {
				t.Errorf("output %q, want %q", out.String(), c.out)
			}
		})
	}
}

// A command over its time limit ends with all its children.
func TestCommandTimeout(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	h := &Command{Argv: []string{"sleep 100 & echo $! > " + pidFile + "; wait"}, Timeout: 300 * time.Millisecond}
	start := time.Now()
	err := h.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "still running after 300ms: killed") {
		t.Fatalf("error %v", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %s", d)
	}
	raw, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(raw)))
	deadline := time.Now().Add(5 * time.Second)
	for alive(pid) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d lives on", pid)
		}
	}
}

// alive is false for a zombie: its parent is not ours to be.
func alive(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !bytes.Contains(b, []byte(") Z "))
}

func TestCommandStopsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&Command{Argv: []string{"sleep", "100"}, Timeout: time.Minute}).Run(ctx); err == nil {
		t.Error("no error")
	}
}

func TestZeroTimeoutDoesNotWait(t *testing.T) {
	start := time.Now()
	if err := (&Command{Argv: []string{"sleep", "2"}}).Run(t.Context()); err != nil || time.Since(start) > time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
}

func TestSignal(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	file := filepath.Join(t.TempDir(), "pid")
	h := &Signal{PIDFile: file, Signal: syscall.SIGUSR1, Log: log} // SIGHUP may be ignored by inheritance (nohup)
	if err := h.Run(t.Context()); err != nil {
		t.Errorf("without a pid file: %v", err)
	}
	for _, bad := range []string{"", "x", "1", "-5", strconv.Itoa(os.Getpid())} {
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := h.Run(t.Context()); err == nil {
			t.Errorf("pid file %q: no error", bad)
		}
	}
	cmd := exec.Command("sleep", "100")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.Run(t.Context()); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); ws.Signal() != syscall.SIGUSR1 {
		t.Errorf("ended by %v", ws.Signal())
	}
	if err := h.Run(t.Context()); err != nil {
		t.Errorf("process gone: %v", err)
	}
}

func TestParseSignal(t *testing.T) {
	for name, want := range map[string]os.Signal{"SIGHUP": syscall.SIGHUP, "hup": syscall.SIGHUP, "Usr1": syscall.SIGUSR1} {
		if s, ok := ParseSignal(name); !ok || s != want {
			t.Errorf("%s: %v", name, s)
		}
	}
	if _, ok := ParseSignal("SIGNOSUCH"); ok {
		t.Error("SIGNOSUCH is known")
	}
}

// A plugin's output is given whole; its failures do not show its arguments.
func TestOutput(t *testing.T) {
	out, err := Output(t.Context(), "sh", []string{"-c", "echo $0 $VALUE", "canary-x"}, []string{"VALUE=set"})
	if err != nil || out != "canary-x set\n" {
		t.Errorf("%q, %v", out, err)
	}
	for _, args := range [][]string{{"sh", "-c", "exit 3", "canary-x"}, {"no-such-program", "canary-x"}} {
		if _, err := Output(t.Context(), args[0], args[1:], nil); err == nil || strings.Contains(err.Error(), "canary-") || !strings.Contains(err.Error(), args[0]) {
			t.Errorf("%v", err)
		}
	}
}

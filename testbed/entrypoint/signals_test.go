package entrypoint

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFirstProcess: the program's parent has the number that it should have,
// its file is on a tmpfs that nobody else sees, and no token is with it.
func TestFirstProcess(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.start(valueOfApp+`
template {
  contents    = "{{ with secret \"kv/app\" }}{{ .Data.data.value }}{{ end }}\n"
  destination = "@PRIVATE/file"
  perms       = 0600
}`, "sh", "-c", `echo "$PPID $VALUE $(cat private/file) ${VAULT_TOKEN-none}"`)
		if code := r.ends(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		parent := strconv.Itoa(r.cmd.Process.Pid)
		if w.namespaced() {
			parent = "1"
		}
		if want := parent + " canary-0 canary-0 none\n"; r.out.String() != want {
			t.Errorf("the program has %q, want %q", r.out, want)
		}
		if _, err := os.Stat(w.private + "/file"); w.namespaced() && err == nil {
			t.Error("the file is to be seen from outside")
		}
	})
}

const command = `
exec {
  command = ["@APP"]
  env { custom = ["APP_MODE=signals"] }
}`

// TestSignals: every forwardable signal reaches the program, and none of them
// ends us. Those that are our own or the runtime's do not.
func TestSignals(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.start(valueOfApp + command)
		w.says("ready", 1)
		for _, s := range []syscall.Signal{syscall.SIGCHLD, syscall.SIGURG, syscall.SIGPIPE} {
			r.signal(s)
		}
		for _, s := range forwardable() {
			name := unix.SignalName(s)
			if name == "" {
				name = strconv.Itoa(int(s))
			}
			r.signal(s)
			w.says("got "+name+" ", 1) // the value follows
		}
		if n := len(w.lines("got SIGPIPE")); n > 0 {
			t.Error("a signal about our own pipes was passed on")
		}
		r.stop()
		w.says("got SIGTERM", 1)
		if n := len(w.lines("start")); n != 1 {
			t.Errorf("%d starts", n)
		}
		if !strings.Contains(r.log.String(), "configuration reloaded") {
			t.Error("SIGHUP did not reload")
		}
	})
}

// forwardable are all signals but those that are caught for us to end, that
// nobody can catch, and those of the runtimes of Go and C.
func forwardable() []syscall.Signal {
	all := []syscall.Signal{
		syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM, syscall.SIGVTALRM,
		syscall.SIGABRT, syscall.SIGCONT, syscall.SIGTSTP, syscall.SIGWINCH, syscall.SIGIO, syscall.SIGPWR,
		syscall.SIGSTKFLT, syscall.SIGXCPU, syscall.SIGXFSZ,
	}
	for n := syscall.Signal(35); n <= 64; n++ {
		all = append(all, n)
	}
	return all
}

// TestStopSignal: SIGINT and SIGTERM stop the program with its own signal.
func TestStopSignal(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(s.String(), func(t *testing.T) {
			w := asEntrypoint(t)
			r := w.start(valueOfApp + `
exec {
  command     = ["sh", "-c", "trap 'echo QUIT; exit 9' QUIT; echo up; while :; do sleep 0.02; done"]
  kill_signal = "SIGQUIT"
}`)
			w.eventually("the program", func() bool { return strings.Contains(r.out.String(), "up\n") })
			r.signal(s)
			if code := r.ends(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if !strings.Contains(r.out.String(), "QUIT\n") {
				t.Error("the program was not asked in its own way")
			}
		})
	}
}

// TestExitCodes: the program's code is ours, and for a signal what a shell makes
// of it.
func TestExitCodes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for script, want := range map[string]int{
			"exit 0": 0, "exit 3": 3, "exit 255": 255,
			"kill -KILL $$": 137, "kill -SEGV $$": 139, "kill -TERM $$": 143, "kill -HUP $$": 129,
		} {
			if code := w.start(valueOfApp, "sh", "-c", script).ends(); code != want {
				t.Errorf("%s: exit code %d, want %d", script, code, want)
			}
		}
	})
}

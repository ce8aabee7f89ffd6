package entrypoint

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	hooks  = 10
	rounds = 5
)

// TestOrphans: the program leaves a thousand orphans while hooks run all along.
// Each hook's exit code arrives, no zombie stays, and then the program's own
// code is ours.
func TestOrphans(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.start(valueOfApp+hooksOf("other")+`
exec { restart_on_secret_changes = "never" }`, "sh", "-c",
			`while [ ! -e go ]; do sleep 0.01; done; i=0; while [ $i -lt 1000 ]; do (sleep 0 &); i=$((i+1)); done; : >all; while [ ! -e stop ]; do sleep 0.02; done; exit 3`)
		told := func(n int) {
			w.eventually(fmt.Sprintf("%d rounds of hooks", n), func() bool { return w.hooksRun() >= n*(hooks-1) })
		}
		told(1)
		w.write("go", "")
		round := 1
		for ; round < rounds || !w.there("all"); round++ {
			w.ask("PUT", "kv/data/other", map[string]any{"data": map[string]any{"value": fmt.Sprint("canary-", round)}})
			told(round + 1)
		}
		began := time.Now()
		w.eventually("the last zombie's end", func() bool { return len(children(r.cmd.Process.Pid, "Z")) == 0 })
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("a zombie stayed for %s", took)
		}
		if n := len(children(r.cmd.Process.Pid, "")); n > 1 {
			t.Errorf("%d children are left, want the program alone", n)
		}
		w.eventually("the last hook's code", func() bool { return strings.Count(r.log.String(), "application told") == round*(hooks-1) })
		if s := r.log.String(); strings.Count(s, "exit status 7") < 1 || strings.Contains(s, "no child processes") ||
			strings.Count(s, "hook failed") != strings.Count(s, "exit status 7") {
			t.Error("the exit code of a hook was lost, or is another one's")
		}
		t.Logf("%d rounds of %d hooks beside 1,000 orphans", round, hooks)
		w.write("stop", "")
		if code := r.ends(); code != 3 {
			t.Errorf("exit code %d", code)
		}
	})
}

// hooksOf are files with a hook each, of which one always fails.
func hooksOf(secret string) string {
	var b strings.Builder
	for i := range hooks {
		code := 0
		if i == 0 {
			code = 7
		}
		fmt.Fprintf(&b, `
template {
  contents    = "{{ with secret \"kv/%s\" }}{{ .Data.data.value }}{{ end }}"
  destination = "@PRIVATE/file%d"
  perms       = 0600
  exec { command = ["sh", "-c", "echo %d >>hooks; exit %d"] }
}`, secret, i, i, code)
	}
	return b.String()
}

// hooksRun is how often those have run that succeed; the other one is tried
// again and again.
func (w *world) hooksRun() int {
	b, _ := os.ReadFile(w.dir + "/hooks")
	return strings.Count(string(b), "\n") - strings.Count(string(b), "0\n")
}

func (w *world) there(name string) bool {
	_, err := os.Stat(filepath.Join(w.dir, name))
	return err == nil
}

// children gives the children of a process, those in a state.
func children(parent int, state string) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, _ := os.ReadFile(path)
		f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(f) < 2 || f[1] != strconv.Itoa(parent) || state != "" && f[0] != state {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestKilled: when vault-renderer is killed, the program is, however it was
// started.
func TestKilled(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for i, socket := range []string{"", `socket "http" { address = "127.0.0.1:` + freePort(t) + `" }`} {
			r := w.start(valueOfApp + strings.Replace(command, "command", socket+"\n  command", 1))
			w.says("ready", i+1)
			r.signal(syscall.SIGKILL)
			r.ends()
			w.eventually("the end of all", func() bool { return len(w.running()) == 0 })
			if n := len(w.lines("end")); n != 0 {
				t.Error("the program ended in good order")
			}
		}
	})
}

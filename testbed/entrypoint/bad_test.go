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

	"vault-renderer/testbed/capture"
)

// TestCanNotStart: what can't be started has the exit code that a shell would
// give and one line that says why; nothing is asked of Vault.
func TestCanNotStart(t *testing.T) {
	w := asEntrypoint(t)
	w.write("text", "no program")
	if err := os.WriteFile(w.dir+"/no-interpreter", []byte("#!/no/such/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		command []string
		code    int
		says    string
	}{
		"not found":      {[]string{"no-such-program", "canary-argument"}, 127, "no-such-program can't be started: not found in the directories of PATH"},
		"no such path":   {[]string{"/no/such/program"}, 127, "no such file or directory"},
		"not executable": {[]string{w.dir + "/text"}, 126, "is not executable (mode 0600): chmod +x it"},
		"a directory":    {[]string{w.dir}, 126, "is a directory"},
		"no interpreter": {[]string{w.dir + "/no-interpreter"}, 126, "what its first line"},
	} {
		r := w.start(valueOfApp, c.command...)
		if code := r.ends(); code != c.code {
			t.Errorf("%s: exit code %d, want %d", name, code, c.code)
		}
		if n := r.about(c.says); n != 1 {
			t.Errorf("%s: said %d times: %s", name, n, c.says)
		}
	}
}

// about counts the errors that say something.
func (r *run) about(text string) (n int) {
	for l := range strings.Lines(r.log.String()) {
		if strings.Contains(l, text) && (strings.Contains(l, "[ERROR]") || strings.HasPrefix(l, "vault-renderer: error")) {
			n++
		}
	}
	return n
}

// TestBadValues: a value that no environment can hold, and names that are none.
func TestBadValues(t *testing.T) {
	w := asEntrypoint(t)
	for name, c := range map[string]struct {
		text, says string
	}{
		"NUL byte": {`
env_template "VALUE" { contents = "a{{ \"AA==\" | base64Decode }}b" }
exec { start_timeout = "500ms" }`, "NUL byte"},
		"too long": {`
env_template "VALUE" { contents = "{{ range loop 200000 }}x{{ end }}" }
exec { start_timeout = "500ms" }`, "the kernel takes at most 131071 for one"},
		"equals sign": {`env_template "A=B" { contents = "x" }`, "Invalid variable"},
		"empty":       {`env_template "" { contents = "x" }`, "Invalid variable"},
	} {
		r := w.start(c.text, programs.app)
		if code := r.ends(); code != 1 {
			t.Errorf("%s: exit code %d", name, code)
		}
		if !strings.Contains(r.log.String(), c.says) {
			t.Errorf("%s: not said: %s\n%s", name, c.says, r.log)
		}
	}
	if len(w.lines("start")) > 0 {
		t.Error("the program was started")
	}
}

// TestBadValueLater: the program that runs is kept when a value can't be its
// any more, and gets the next good one.
func TestBadValueLater(t *testing.T) {
	w := asEntrypoint(t)
	r := w.start(valueOfApp + `
exec {
  command = ["@APP"]
  env { custom = ["APP_MODE=signals"] }
}`)
	w.says("ready canary-0", 1)
	w.put("canary-\x00")
	w.eventually("a word about it", func() bool { return strings.Contains(r.log.String(), "NUL byte") })
	if len(w.lines("end")) > 0 {
		t.Error("the program was stopped")
	}
	w.put("canary-good")
	w.says("ready canary-good", 1)
	r.stop()
}

// TestEndsAtOnce: a program that ends by itself is not started again; one that
// does not stay after a restart of ours is, a few times.
func TestEndsAtOnce(t *testing.T) {
	w := asEntrypoint(t)
	if code := w.start(valueOfApp, "sh", "-c", "echo first >>starts; exit 3").ends(); code != 3 {
		t.Errorf("exit code %d", code)
	}
	r := w.start(valueOfApp+`exec { max_restarts = 2 }`, "sh", "-c",
		`echo "$VALUE" >>starts; [ "$VALUE" = canary-0 ] || exit 4; trap exit TERM; : >up; while :; do sleep 0.02; done`)
	w.eventually("the program", func() bool { return w.there("up") })
	w.put("canary-bad")
	if code := r.ends(); code != 4 {
		t.Errorf("exit code %d", code)
	}
	b, _ := os.ReadFile(w.dir + "/starts")
	if want := "first\ncanary-0\n" + strings.Repeat("canary-bad\n", 3); string(b) != want {
		t.Errorf("starts: %q", b)
	}
}

// TestDoesNotWant: programs that ignore, flood, fork and hide. Each ends in
// time, and with it all that it started.
func TestDoesNotWant(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for name, c := range map[string]struct {
			script string
			killed bool // only the kill signal ends it
		}{
			"ignores SIGTERM":    {`trap "" TERM INT HUP; : >up; while :; do sleep 1; done`, true},
			"is stopped":         {`trap 'exit 0' TERM; : >up; kill -STOP $$; while :; do sleep 0.02; done`, false},
			"forks daemons":      {`i=0; while [ $i -lt 20 ]; do setsid sleep 1000 & i=$((i+1)); done; : >up; exec sleep 1000`, false},
			"daemons that stay":  {`setsid sh -c 'trap "" TERM; : >up; while :; do sleep 1; done' & exec sleep 1000`, true},
			"twice forked":       {`(setsid sh -c 'sleep 1000 & sleep 1000' &); : >up; exec sleep 1000`, false},
			"changes its group":  {`: >up; APP_MODE=regroup exec ` + programs.app, false},
			"forks while ending": {`trap 'i=0; while [ $i -lt 50 ]; do setsid sleep 1000 & i=$((i+1)); done; exit 0' TERM; : >up; while :; do sleep 0.02; done`, false},
		} {
			_ = os.Remove(w.dir + "/up")
			limit := patience
			if c.killed {
				limit = 500 * time.Millisecond
			}
			r := w.start(valueOfApp+fmt.Sprintf("exec { kill_timeout = %q }", limit), "sh", "-c", c.script)
			w.eventually("the program that "+name, func() bool { return w.there("up") })
			if name == "changes its group" {
				w.says("ready", 1)
			}
			began := time.Now()
			r.stop()
			if took := time.Since(began); c.killed != (took >= limit) {
				t.Errorf("%s: it took %s", name, took)
			}
			for _, pid := range w.running() {
				b, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
				t.Errorf("%s: process %d is left: %q", name, pid, b)
			}
		}
	})
}

// TestDaemonsOfOneThatEnds: what a program leaves behind ends with it at once.
func TestDaemonsOfOneThatEnds(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		began := time.Now()
		r := w.start(valueOfApp, "sh", "-c", `setsid sh -c 'trap "" TERM; sleep 1000' & sleep 1000 & sleep 0.1; exit 5`)
		if code := r.ends(); code != 5 {
			t.Errorf("exit code %d", code)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// TestFlood: nobody reads what the program prints without end. That is between
// the two of them: signals and secrets go on, in no more memory.
func TestFlood(t *testing.T) {
	w := asEntrypoint(t)
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	r := w.flooded(in)
	w.eventually("the program", func() bool { return w.there("up") })
	before := rss(t, r.cmd.Process.Pid)
	w.put("canary-next")
	w.eventually("the program that came next", func() bool { b, _ := os.ReadFile(w.dir + "/up"); return strings.Count(string(b), "\n") == 2 })
	if now := rss(t, r.cmd.Process.Pid); now > before+4096 {
		t.Errorf("memory: %d KiB, then %d", before, now)
	}
	r.stop()
}

func (w *world) flooded(in *os.File) *run {
	w.t.Helper()
	r := &run{world: w, out: &capture.Buffer{}, log: &capture.Buffer{}}
	r.cmd = w.command(valueOfApp, "sh", "-c", "echo >>up; exec yes")
	r.cmd.Stdout, r.cmd.Stderr = in, r.log
	r.launch()
	_ = in.Close()
	return r
}

func rss(t *testing.T, pid int) (kib int) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	kib, err = strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib
}

// TestSecondSignal: who is in a hurry signals twice.
func TestSecondSignal(t *testing.T) {
	w := asEntrypoint(t)
	r := w.start(valueOfApp, "sh", "-c", `trap "" TERM; : >up; while :; do sleep 1; done`)
	w.eventually("the program", func() bool { return w.there("up") })
	r.signal(syscall.SIGTERM)
	r.signal(syscall.SIGINT)
	if code := r.ends(); code != 130 && code != 143 {
		t.Errorf("exit code %d", code)
	}
	w.eventually("the end of all", func() bool { return len(w.running()) == 0 })
}

package child

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestFirstStart(t *testing.T) {
	r := supervise(t, Options{Env: []string{"X=base", "VAULT_TOKEN=" + canary, "NOTIFY_SOCKET=/n", "LISTEN_FDS=3", "LISTEN_ADDR=:1"}, Splay: time.Hour})
	began := time.Now()
	r.Set(Update{Env: []string{"X=" + canary}, Generation: 7})
	if e := r.next(Started); e.Generation != 7 || e.PID == 0 {
		t.Errorf("started: %+v", e)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("the first start took %s", took)
	}
	r.next(IsReady)
	r.says("start "+canary, 1)
	b, err := os.ReadFile("/proc/" + itoa(r.child()) + "/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{"VAULT_TOKEN", "NOTIFY_SOCKET", "LISTEN_FDS", "base"} {
		if strings.Contains(string(b), v) {
			t.Errorf("the child's environment holds %s", v)
		}
	}
	if !strings.Contains(string(b), "LISTEN_ADDR=:1") {
		t.Error("a variable of the application's own is missing")
	}
	r.stop()
	r.endsWith(-1)
	if r.said("TERM") != 1 {
		t.Error("it was not asked to end once")
	}
}

func TestTokenIsPassedWhenAskedFor(t *testing.T) {
	r := supervise(t, Options{Env: []string{"VAULT_TOKEN=t"}, Token: true, Command: []string{"test $VAULT_TOKEN = t"}})
	r.Set(Update{})
	r.endsWith(0)
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		script string
		code   int
	}{
		{"exit 0", 0},
		{"exit 7", 7},
		{"kill -KILL $$; sleep 9", 137},
		{"kill -SEGV $$; sleep 9", 139},
	} {
		t.Run(c.script, func(t *testing.T) {
			r := supervise(t, Options{Command: []string{"sh", "-c", c.script}})
			r.Set(Update{})
			r.endsWith(c.code)
			if e := r.next(Ended); e.Code != c.code {
				t.Errorf("told: %+v", e)
			}
		})
	}
}

func TestCommandsThatCanNotRun(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return p
	}
	plain := file("plain", "x", 0o644)
	for name, c := range map[string]struct {
		command []string
		code    int
		want    string
	}{
		"not found":      {[]string{"no-such-program"}, 127, "the command no-such-program can't be started: not found in the directories of PATH"},
		"no such path":   {[]string{"/no/such/program", canary}, 127, "/no/such/program: no such file or directory"},
		"not executable": {[]string{plain}, 126, "is not executable (mode 0644): chmod +x it"},
		"a directory":    {[]string{dir}, 126, "is a directory"},
		"bad format":     {[]string{file("format", "\x00\x01", 0o755)}, 126, "no program for this machine"},
		"no interpreter": {[]string{file("script", "#!/no/such/sh\n", 0o755)}, 126, "what its first line"},
	} {
		t.Run(name, func(t *testing.T) {
			err := started(c.command)
			var exit *ExitError
			if !errors.As(err, &exit) || exit.Code != c.code || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want code %d and %q", err, c.code, c.want)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Error("the error holds an argument")
			}
		})
	}
}

// started starts a command as the first child.
func started(command []string) error {
	s, err := New(Options{Command: command, Env: []string{"PATH=" + os.Getenv("PATH")}})
	if err != nil {
		return err
	}
	s.Set(Update{})
	return s.Run(noDeadline{})
}

func TestWrongOptions(t *testing.T) {
	for want, o := range map[string]Options{
		"no command is named":           {},
		"the child's user \"no-such":    {Command: []string{"true"}, User: "no-such-user"},
		"the child's group \"no-such":   {Command: []string{"true"}, Group: "no-such-group"},
		"nothing says when a new child": {Command: []string{"true"}, Restart: Rolling},
		"none of the ways to restart":   {Command: []string{"true"}, Restart: "often"},
		"the child's directory: /no":    {Command: []string{"true"}, Dir: "/no/such"},
		"exactly one of":                {Command: []string{"true"}, Ready: &Ready{File: "x", Address: "y"}},
		"is none of tcp":                {Command: []string{"true"}, Sockets: []Socket{{Network: "sctp", Address: "x"}}},
		"could answer for the new": {
			Command: []string{"true"}, Restart: Rolling, Ready: &Ready{Address: ":8080"},
			Sockets: []Socket{{Network: "tcp", Address: ":8080"}},
		},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestEnvironmentThatCanNotBe(t *testing.T) {
	r := supervise(t, Options{})
	for i, bad := range []string{"=" + canary, canary, "X=a\x00b", "X=" + strings.Repeat("x", 140000)} {
		r.Set(Update{Env: []string{bad}, Generation: uint64(i)})
		if e := r.next(Refused); e.Err == nil || e.Generation != uint64(i) || strings.Contains(e.Err.Error(), canary) {
			t.Errorf("told: %+v", e)
		}
	}
	r.Set(Update{Env: []string{"X=good"}})
	r.says("start good", 1)
	r.Set(Update{Env: []string{"X=a\x00b"}})
	r.next(Refused)
	r.child()
	if err := r.Signal(syscall.SIGUSR1); err != nil {
		t.Errorf("the child is not there any more: %v", err)
	}
	r.says("USR1", 1)
}

func TestAlways(t *testing.T) {
	r := supervise(t, Options{})
	r.Set(Update{Env: []string{"X=1"}, Generation: 1})
	r.says("start 1", 1)
	r.Set(Update{Env: []string{"X=1"}, Generation: 2})                     // nothing
	r.Set(Update{Env: []string{"X=1"}, Generation: 3, FilesChanged: true}) // nobody wants to know
	r.Set(Update{Env: []string{"X=2"}, Generation: 4})
	if e := r.next(Stopped); e.Generation != 1 || e.Code != 3 {
		t.Errorf("stopped: %+v", e)
	}
	if e := r.next(Started); e.Generation != 4 {
		t.Errorf("started: %+v", e)
	}
	r.says("start 2", 1)
	r.Set(Update{Env: []string{"X=2"}, Generation: 5, Restart: true})
	if e := r.next(Started); e.Generation != 5 {
		t.Errorf("started: %+v", e)
	}
	r.says("start 2", 2)
	if r.said("start 1") != 1 || r.said("HUP") != 0 {
		t.Error("it was told what is nothing to it")
	}
}

func TestNewestCounts(t *testing.T) {
	r := supervise(t, Options{})
	r.Set(Update{Env: []string{"X=first"}})
	r.says("start first", 1)
	for i := range 1000 {
		r.Set(Update{Env: []string{"X=" + itoa(i)}})
	}
	r.Set(Update{Env: []string{"X=last"}})
	r.says("start last", 1)
	if n := strings.Count(r.log.String(), "was started"); n > 10 {
		t.Errorf("%d starts", n)
	}
}

func TestReload(t *testing.T) {
	slow := "sleep 0.3; " + app // a handler that comes late: the signal would kill it
	r := supervise(t, Options{ReloadSignal: syscall.SIGHUP, Command: []string{slow}})
	r.Set(Update{Env: []string{"X=1"}})
	r.next(Started)
	r.Set(Update{Env: []string{"X=1"}, FilesChanged: true, Generation: 2})
	if e := r.next(Reloaded); e.Generation != 2 {
		t.Errorf("reloaded: %+v", e)
	}
	r.says("HUP", 1)
	r.Set(Update{Env: []string{"X=2"}, FilesChanged: true}) // the new one reads them anyway
	r.says("start 2", 1)
	r.Set(Update{Env: []string{"X=2"}})
	r.Set(Update{Env: []string{"X=2"}, FilesChanged: true})
	r.says("HUP", 2)
	if r.said("HUP") != 2 {
		t.Error("told too often")
	}
}

func TestNever(t *testing.T) {
	r := supervise(t, Options{Restart: Never, ReloadSignal: syscall.SIGHUP})
	r.Set(Update{Env: []string{"X=1"}})
	r.says("start 1", 1)
	r.Set(Update{Env: []string{"X=2"}, Generation: 2})
	if e := r.next(Stale); e.Generation != 2 {
		t.Errorf("stale: %+v", e)
	}
	r.Set(Update{Env: []string{"X=2"}, FilesChanged: true})
	r.says("HUP", 1)
	if r.said("start 2") != 0 || strings.Count(r.log.String(), "never restarted") != 1 {
		t.Error("restarted, or said twice")
	}
}

func TestSplay(t *testing.T) {
	r := supervise(t, Options{Splay: 400 * time.Millisecond, Rand: func() float64 { return 0.5 }})
	r.Set(Update{Env: []string{"X=1"}})
	r.says("start 1", 1)
	began := time.Now()
	r.Set(Update{Env: []string{"X=2"}})
	r.Set(Update{Env: []string{"X=3"}})
	r.next(Stopped)
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("stopped after %s", took)
	}
	r.says("start 3", 1)
	if r.said("start 2") != 0 {
		t.Error("started with what was outdated")
	}
}

func TestRestartStorm(t *testing.T) {
	script := `test $X = 1 && { trap 'exit 0' TERM; echo up >>$OUT; while :; do sleep 0.02 & wait; done; }; echo down >>$OUT; exit 5`
	r := supervise(t, Options{Command: []string{script}, MaxRestarts: 3, BackoffMin: time.Millisecond})
	r.Set(Update{Env: []string{"X=1"}})
	r.says("up", 1)
	r.Set(Update{Env: []string{"X=2"}})
	r.endsWith(5)
	if n := r.said("down"); n != 4 { // the restart, and three more
		t.Errorf("%d starts", n)
	}
}

func TestStormEndsWithGoodSecrets(t *testing.T) {
	r := supervise(t, Options{Command: []string{"test $X = bad && exit 5; " + app}, BackoffMin: time.Hour})
	r.Set(Update{Env: []string{"X=1"}})
	r.says("start 1", 1)
	r.Set(Update{Env: []string{"X=bad"}})
	r.next(Ended)
	r.Set(Update{Env: []string{"X=good"}})
	r.says("start good", 1)
}

func TestRestartOfWhatIsGone(t *testing.T) {
	script := filepath.Join(t.TempDir(), "app")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"+app), 0o755); err != nil {
		t.Fatal(err)
	}
	r := supervise(t, Options{Command: []string{script}, MaxRestarts: 1, BackoffMin: time.Millisecond})
	r.Set(Update{Env: []string{"X=1"}})
	r.says("start 1", 1)
	if err := os.Remove(script); err != nil {
		t.Fatal(err)
	}
	r.Set(Update{Env: []string{"X=2"}})
	r.next(Refused)
	r.endsWith(127)
}

func TestSignals(t *testing.T) {
	r := supervise(t, Options{Command: []string{"trap 'echo inner INT >>$OUT' INT; " + app}})
	if err := r.Signal(syscall.SIGUSR1); !errors.Is(err, ErrNoChild) {
		t.Errorf("without a child: %v", err)
	}
	r.Set(Update{})
	r.says("start", 1)
	r.child()
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGINT} {
		if err := r.Signal(s); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []string{"HUP", "USR1", "INT"} {
		r.says(s, 1)
	}
	r.stop()
	r.endsWith(-1)
	if err := r.Signal(syscall.SIGUSR1); !errors.Is(err, ErrNoChild) {
		t.Errorf("after its end: %v", err)
	}
}

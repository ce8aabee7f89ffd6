package child

import (
	"context"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// noDeadline is a context that never ends, for children that end themselves.
type noDeadline struct{ context.Context }

func (noDeadline) Done() <-chan struct{}       { return nil }
func (noDeadline) Err() error                  { return nil }
func (noDeadline) Value(any) any               { return nil }
func (noDeadline) Deadline() (time.Time, bool) { return time.Time{}, false }

func TestIgnoresTerm(t *testing.T) {
	r := supervise(t, Options{Command: []string{`trap '' TERM; echo $$ >${OUT}pid; while :; do sleep 1; done`}, KillTimeout: 100 * time.Millisecond})
	r.Set(Update{})
	pid := r.pid("pid")
	began := time.Now()
	r.stop()
	r.endsWith(-1)
	if took := time.Since(began); took < 100*time.Millisecond || took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if e := r.next(Stopped); e.Code != 137 {
		t.Errorf("stopped: %+v", e)
	}
	noneLeft(t, pid)
}

// TestGroupIsAwaited: the shell ends at once, what it runs cleans up first.
func TestGroupIsAwaited(t *testing.T) {
	inner := `trap 'sleep 0.3; echo cleaned >>$OUT; exit' TERM; echo $$ >${OUT}inner; while :; do sleep 0.02 & wait; done`
	r := supervise(t, Options{Command: []string{"sh", "-c", `sh -c "$0" & trap 'exit 0' TERM; wait`, inner}})
	r.Set(Update{})
	pid := r.pid("inner")
	r.stop()
	r.endsWith(-1)
	if r.said("cleaned") != 1 {
		t.Error("the rest of the group was not given the time")
	}
	noneLeft(t, pid)
}

func TestStoppedChildEnds(t *testing.T) {
	r := supervise(t, Options{})
	r.Set(Update{})
	r.says("start", 1)
	pid := r.child()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	r.stop()
	r.endsWith(-1)
	if r.said("TERM") != 1 {
		t.Error("it could not end itself")
	}
}

// TestNothingIsLeft: whatever a child forks off, in its group or not, is gone
// when Run is.
func TestNothingIsLeft(t *testing.T) {
	const spawn = `
sh -c 'echo $$ >${OUT}group; exec sleep 100' &
setsid sh -c 'echo $$ >${OUT}session; exec sleep 100' &
setsid sh -c 'trap "" TERM; (echo $$ >${OUT}parent; sh -c "echo \$\$ >\${OUT}daemon; exec sleep 100") & sleep 0.01' &
while ! test -s ${OUT}group || ! test -s ${OUT}session || ! test -s ${OUT}daemon; do sleep 0.01; done
`
	for name, c := range map[string]struct {
		script string
		code   int
	}{
		"it ends by itself": {spawn + "exit 4", 4},
		"it is stopped":     {spawn + "echo ready >>$OUT; exec sleep 100", -1},
	} {
		t.Run(name, func(t *testing.T) {
			r := supervise(t, Options{Command: []string{c.script}, KillTimeout: 500 * time.Millisecond})
			r.Set(Update{})
			pids := []int{r.pid("group"), r.pid("session"), r.pid("daemon")}
			if c.code < 0 {
				r.says("ready", 1)
				r.stop()
			}
			r.endsWith(c.code)
			noneLeft(t, pids...)
		})
	}
}

// TestOthersAreLeftAlone: programs that this process runs itself are no remains
// of the child.
func TestOthersAreLeftAlone(t *testing.T) {
	own := exec.CommandContext(t.Context(), "sleep", "100")
	if err := own.Start(); err != nil {
		t.Fatal(err)
	}
	r := supervise(t, Options{Command: []string{"exit 0 "}})
	r.Set(Update{})
	r.endsWith(0)
	if !alive(own.Process.Pid) {
		t.Error("a process that is nothing to it was killed")
	}
	_ = own.Process.Kill()
	_ = own.Wait()
}

// TestChangesItsGroup: a child that joined our own group is stopped all the
// same, and we are not.
func TestChangesItsGroup(t *testing.T) {
	r := supervise(t, Options{Command: []string{os.Args[0]}, Env: []string{role + "=joins"}, KillTimeout: 5 * time.Second})
	r.Set(Update{})
	pid := r.pid("pid")
	if group, err := syscall.Getpgid(pid); err != nil || group != syscall.Getpgrp() {
		t.Fatalf("it is in group %d (%v)", group, err)
	}
	r.stop()
	r.endsWith(-1)
	noneLeft(t, pid)
}

func TestFlood(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = read.Close() }()
	r := supervise(t, Options{Command: []string{"yes"}, Stdout: write, Stderr: write}) // nobody reads
	defer func() { _ = write.Close() }()
	r.Set(Update{Env: []string{"X=1"}})
	r.next(Started)
	r.Set(Update{Env: []string{"X=2"}})
	r.next(Stopped)
	r.next(Started)
	r.stop()
	r.endsWith(-1)
}

func TestDirectoryAndUser(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	who, group := me.Uid, me.Gid
	if os.Geteuid() == 0 {
		who, group = "65534", "54321" // no entry is needed for a number
	}
	r := supervise(t, Options{Command: []string{"sh", "-c", `test "$(pwd) $(id -u) $(id -g)" = "$WANT"`}, Dir: "/", User: who, Group: group, Env: []string{"WANT=/ " + who + " " + group}})
	r.Set(Update{})
	r.endsWith(0)
}

// TestHidden: what /proc refuses to others does not keep the supervisor from its
// work, whoever it runs as, and whoever its child does.
func TestHidden(t *testing.T) {
	me := itoa(os.Geteuid())
	for name, c := range map[string]struct{ us, child string }{
		"as we are":       {"", ""},
		"another user":    {"65534", ""},
		"the child alone": {"", "65534"},
	} {
		t.Run(name, func(t *testing.T) {
			want := me
			if c.us+c.child != "" && me == "0" { // others than root stay who they are
				want = "65534"
			} else {
				c.us, c.child = "", ""
			}
			cmd := as(t, "hidden", "WANT="+want, "USER_OF_CHILD="+c.child)
			cmd.Path = "/proc/self/exe" // its directory is ours alone
			if c.us != "" {
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			}
			out, _ := cmd.Output()
			if code := cmd.ProcessState.ExitCode(); code != 33 {
				t.Errorf("code %d: %s", code, out)
			}
			if !strings.Contains(string(out), "handles: true") && handlesWork() {
				t.Errorf("it can't tell its children from orphans: %s", out)
			}
		})
	}
}

// TestSupervisorIsKilled: the kernel ends the child then.
func TestSupervisorIsKilled(t *testing.T) {
	out := t.TempDir() + "/"
	cmd := as(t, "supervisor", `SCRIPT=echo $$ >${OUT}pid; exec sleep 100`, "OUT="+out)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, out: out}
	pid := r.pid("pid")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	eventually(t, "the child's end", func() bool { return !alive(pid) })
}

// TestForward: what the supervisor's process gets reaches the child, and the
// child's exit code comes out.
func TestForward(t *testing.T) {
	out := t.TempDir() + "/out"
	cmd := as(t, "supervisor", "SCRIPT="+app, "OUT="+out)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, out: out}
	r.says("start", 1)
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGURG, syscall.SIGPIPE, syscall.SIGCHLD} {
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	r.says("HUP", 1)
	r.says("USR1", 1)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 3 {
		t.Errorf("exit code %d", code)
	}
}

package pidns

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vault-renderer/testbed/port"
)

const patience = 20 * time.Second

// plan is what the supervising program is told; see its side in the tests of
// package child.
type plan struct {
	Command  []string
	Env      []string
	Rolling  bool
	Socket   string // an address to listen at
	Programs int    // other programs to run, each leaving four orphans
	Rolls    int    // changes, one after the other is ready
}

// supervisor is the program at work.
type supervisor struct {
	t    *testing.T
	cmd  *exec.Cmd
	dir  string // where its child writes
	said *output
	done <-chan error
}

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// TestAsInit: everything that the first program of a container must do, and the
// same where it is not the first one.
func TestAsInit(t *testing.T) {
	path := program(t)
	kinds := []Kind{Permitted(t.Context())}
	if kinds[0] != Subreaper {
		kinds = append(kinds, Subreaper)
	}
	for _, kind := range kinds {
		t.Run(strings.Fields(string(kind))[0], func(t *testing.T) {
			t.Logf("the supervisor runs as %s", kind)
			testAll(t, kind, func(t *testing.T, p plan) *supervisor { return launch(t, path, kind, p) })
		})
	}
}

func testAll(t *testing.T, kind Kind, start starter) {
	t.Run("number", func(t *testing.T) {
		s := start(t, plan{Command: []string{"test $PPID = 1"}})
		if want := map[bool]int{true: 0, false: 1}[kind != Subreaper]; s.ends() != want {
			t.Error("the child's parent is somebody else")
		}
	})
	t.Run("signals", func(t *testing.T) { testSignals(t, start) })
	t.Run("exit codes", func(t *testing.T) { testExitCodes(t, start) })
	t.Run("orphans", func(t *testing.T) { testOrphans(t, start) })
	t.Run("killed", func(t *testing.T) { testKilled(t, start) })
	t.Run("nothing is left", func(t *testing.T) { testNothingLeft(t, start) })
	t.Run("rolling", func(t *testing.T) { testRolling(t, start) })
}

type starter func(*testing.T, plan) *supervisor

func launch(t *testing.T, path string, kind Kind, p plan) *supervisor {
	t.Helper()
	s := &supervisor{t: t, dir: t.TempDir() + "/", said: &output{}}
	p.Env = append(p.Env, "OUT="+s.dir, "PATH="+os.Getenv("PATH"))
	told, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.Command(path)
	s.cmd.Env = append(os.Environ(), "CHILD_TEST_ROLE=init", "PLAN="+string(told))
	s.cmd.Stdout, s.cmd.Stderr = s.said, s.said
	if s.done, err = kind.Start(s.cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // it has ended, as a rule
		if t.Failed() {
			t.Logf("the supervisor said:\n%s", s.said)
		}
	})
	return s
}

// ends waits for the end and gives the exit code.
func (s *supervisor) ends() int {
	s.t.Helper()
	select {
	case <-s.done:
		return s.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		s.t.Fatalf("the supervisor does not end\n%s", s.said)
		return 0
	}
}

func (s *supervisor) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// has waits until the child has written a line into its file.
func (s *supervisor) has(line string) {
	s.t.Helper()
	eventually(s.t, "the child's line "+line, func() bool {
		b, _ := os.ReadFile(s.dir + "log")
		return strings.Contains("\n"+string(b), "\n"+line+"\n")
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came: %s", what)
		}
	}
}

func testSignals(t *testing.T, start starter) {
	s := start(t, plan{Command: []string{`
for s in HUP INT QUIT USR1 USR2 ALRM WINCH CONT; do trap "echo $s >>${OUT}log" $s; done
trap 'echo TERM >>${OUT}log; exit 3' TERM
echo start >>${OUT}log
while :; do sleep 0.02 & wait; done`}})
	s.has("start")
	for _, sig := range []syscall.Signal{syscall.SIGCHLD, syscall.SIGURG, syscall.SIGPIPE} {
		s.signal(sig) // nobody's business but its own
	}
	for name, sig := range map[string]syscall.Signal{
		"HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2,
		"ALRM": syscall.SIGALRM, "WINCH": syscall.SIGWINCH, "CONT": syscall.SIGCONT, "INT": syscall.SIGINT,
	} {
		s.signal(sig)
		s.has(name)
	}
	s.signal(syscall.SIGTERM)
	if code := s.ends(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.has("TERM")
}

func testExitCodes(t *testing.T, start starter) {
	for script, want := range map[string]int{
		"exit 0 ": 0, "exit 7 ": 7, "kill -KILL $$": 137, "kill -SEGV $$": 139, "no-such-program now": 127,
	} {
		if code := start(t, plan{Command: []string{script}}).ends(); code != want {
			t.Errorf("%s: exit code %d, want %d", script, code, want)
		}
	}
	if code := start(t, plan{Command: []string{"/etc/passwd"}}).ends(); code != 126 {
		t.Errorf("not executable: exit code %d", code)
	}
}

// testOrphans: a thousand are reaped while as many exit codes as there are
// programs arrive, and no zombie stays.
func testOrphans(t *testing.T, start starter) {
	s := start(t, plan{Command: []string{"exec sleep 1000"}, Programs: 250})
	eventually(t, "the programs' end", func() bool { return strings.Contains(s.said.String(), "programs=") })
	if !strings.Contains(s.said.String(), "programs=250 lost=0\n") {
		t.Error(s.said)
	}
	began := time.Now()
	eventually(t, "the last zombie's end", func() bool { return len(children(s.cmd.Process.Pid, "Z")) == 0 })
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("a zombie stayed for %s", took)
	}
	if n := len(children(s.cmd.Process.Pid, "")); n != 1 {
		t.Errorf("%d children are left, want the application alone", n)
	}
	s.signal(syscall.SIGTERM)
	if code := s.ends(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// children gives the children of a process, those in a state.
func children(parent int, state string) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, _ := os.ReadFile(path)
		_, rest, _ := strings.Cut(string(b), ") ")
		f := strings.Fields(rest)
		if len(f) < 2 || f[1] != strconv.Itoa(parent) || (state != "" && f[0] != state) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func alive(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(b), ") Z ")
}

func testKilled(t *testing.T, start starter) {
	s := start(t, plan{Command: []string{"echo start >>${OUT}log; exec sleep 1000"}})
	s.has("start")
	pids := children(s.cmd.Process.Pid, "")
	if len(pids) != 1 {
		t.Fatalf("children: %v", pids)
	}
	s.signal(syscall.SIGKILL)
	s.ends()
	eventually(t, "the child's end", func() bool { return !alive(pids[0]) })
}

// testNothingLeft: neither daemons nor those that don't want to end.
func testNothingLeft(t *testing.T, start starter) {
	s := start(t, plan{Command: []string{`
setsid sh -c '(trap "" TERM; echo daemon >>${OUT}log; exec sleep 1000) &' &
sh -c 'trap "" TERM; echo group >>${OUT}log; exec sleep 1000' &
wait`}})
	s.has("daemon")
	s.has("group")
	var left []int
	eventually(t, "a daemon that was adopted", func() bool {
		left = children(s.cmd.Process.Pid, "")
		return len(left) == 2
	})
	for _, pid := range left {
		left = append(left, children(pid, "")...)
	}
	s.signal(syscall.SIGTERM)
	if code := s.ends(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, pid := range left {
		if alive(pid) {
			t.Errorf("process %d is left", pid)
		}
	}
}

// testRolling: no connection is refused, and none ends without an answer, while
// child after child takes over the socket.
func testRolling(t *testing.T, start starter) {
	const rolls = 8
	address, err := port.Address()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, plan{Command: []string{self}, Env: []string{role + "=server", "GORACE=atexit_sleep_ms=0"}, Rolling: true, Socket: address, Rolls: rolls})
	eventually(t, "the socket", func() bool { _, err := ask(t.Context(), address); return err == nil })
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var answers atomic.Int64
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil {
				if _, err := ask(t.Context(), address); err != nil {
					t.Error(err)
					return
				}
				answers.Add(1)
			}
		})
	}
	eventually(t, "the last child", func() bool { x, _ := ask(t.Context(), address); return x == strconv.Itoa(rolls) })
	eventually(t, "the end of the one before", func() bool { return strings.Contains(s.said.String(), "rolled="+strconv.Itoa(rolls)) })
	stop()
	clients.Wait()
	t.Logf("%d answers through %d children, none refused", answers.Load(), rolls+1)
	s.signal(syscall.SIGTERM)
	if code := s.ends(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// ask makes a connection of its own for one question.
func ask(ctx context.Context, address string) (string, error) {
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", resp.Status)
	}
	return string(b), err
}

package child

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const canary = "canary-0123456789"

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// rig is a Supervisor at work, and what it tells.
type rig struct {
	*Supervisor
	t      *testing.T
	out    string // a file that the child writes
	log    *lines
	events chan Event
	stop   context.CancelFunc
	result chan error
}

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// app is a script that says in $OUT that it starts, with $X, and which signals
// it got; TERM ends it.
const app = `
for s in HUP USR1 INT; do trap "echo $s >>$OUT" $s; done
trap 'echo TERM >>$OUT; exit 3' TERM
echo start $X >>$OUT
while :; do sleep 0.02 & wait; done`

// supervise runs o (its command, if it has none, is app) until the test ends.
func supervise(t *testing.T, o Options) *rig {
	t.Helper()
	r := &rig{
		t: t, out: filepath.Join(t.TempDir(), "out"), log: &lines{},
		events: make(chan Event, 10000), result: make(chan error, 1),
	}
	if o.Command == nil {
		o.Command = []string{app}
	}
	o.Env = append(o.Env, "PATH="+os.Getenv("PATH"), "OUT="+r.out)
	o.Events = func(e Event) { r.events <- e }
	o.Log = slog.New(slog.NewTextHandler(r.log, nil))
	var err error
	if r.Supervisor, err = New(o); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.result <- r.Run(ctx); close(r.result) }()
	t.Cleanup(func() {
		stop()
		for range r.result {
		}
		if t.Failed() {
			t.Logf("log:\n%s", r.log)
		}
		if strings.Contains(r.log.String(), canary) {
			t.Error("the log holds a secret")
		}
	})
	return r
}

// next waits for an event of a kind; those of other kinds are passed over.
func (r *rig) next(kind Kind) Event {
	r.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case e := <-r.events:
			if e.Kind == kind {
				return e
			}
		case <-timeout:
			r.t.Fatalf("it never came: %s\n%s", kind, r.log)
		}
	}
}

// ends waits for Run's result.
func (r *rig) ends() error {
	r.t.Helper()
	select {
	case err := <-r.result:
		return err
	case <-time.After(patience):
		r.t.Fatalf("Run does not end\n%s", r.log)
		return nil
	}
}

// endsWith waits for Run's result and its code; -1 = nil.
func (r *rig) endsWith(code int) {
	r.t.Helper()
	err := r.ends()
	got := -1
	if err != nil {
		got = codeFor(err)
	}
	if got != code {
		r.t.Errorf("Run ended with %v, want code %d", err, code)
	}
}

// says waits until the child has written a line n times.
func (r *rig) says(line string, n int) {
	r.t.Helper()
	eventually(r.t, strconv.Itoa(n)+" times "+line, func() bool { return r.said(line) >= n })
}

func (r *rig) said(line string) (n int) {
	b, _ := os.ReadFile(r.out)
	for l := range strings.Lines(string(b)) {
		if strings.TrimSpace(l) == line {
			n++
		}
	}
	return n
}

// pid waits until the child has written a process number into a file beside
// $OUT.
func (r *rig) pid(name string) (pid int) {
	r.t.Helper()
	eventually(r.t, "a process number in "+name, func() bool {
		b, _ := os.ReadFile(r.out + name)
		n, err := strconv.Atoi(strings.TrimSpace(string(b)))
		pid = n
		return err == nil && strings.HasSuffix(string(b), "\n")
	})
	return pid
}

// eventually waits for a condition of the world outside.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("it never came: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// alive says whether a process runs.
func alive(pid int) bool {
	e, ok := readEntry(strconv.Itoa(pid))
	return ok && !e.dead()
}

func noneLeft(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("process %d is left", pid)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// write writes a file for this test.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// child waits for a process in charge, and gives it.
func (r *rig) child() (pid int) {
	r.t.Helper()
	eventually(r.t, "a child in charge", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.current != nil {
			pid = r.current.pid
		}
		return pid != 0
	})
	return pid
}

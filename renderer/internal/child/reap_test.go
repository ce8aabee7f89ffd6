package child

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// orphans starts a program that leaves n processes behind and ends with 7.
func orphans(t *testing.T, n int) *exec.Cmd {
	t.Helper()
	return exec.CommandContext(t.Context(), "sh", "-c", strings.Repeat("(true &) ; ", n)+"exit 7")
}

func zombies() int {
	return len(entries(func(e entry) bool { return e.parent == os.Getpid() && e.dead() }))
}

// TestReap: orphans are taken away while many others run programs of their own,
// and no exit code is lost.
func TestReap(t *testing.T) {
	undo, err := Subreaper()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = undo() }()
	r := newReaper(nil)
	if !r.handles {
		t.Log("no handles of processes here: the fallback's grace is waited for")
	}
	ctx, stop := context.WithCancel(t.Context())
	var running, programs sync.WaitGroup
	running.Go(func() { r.run(ctx) })
	for range 4 {
		programs.Go(func() {
			for range 25 {
				if cmd := orphans(t, 2); cmd.Run() == nil || cmd.ProcessState.ExitCode() != 7 {
					t.Errorf("an exit code was lost: %v", cmd.ProcessState)
				}
			}
		})
	}
	programs.Wait()
	eventually(t, "the last of the orphans", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.count == 200
	})
	stop()
	running.Wait()
	if n := zombies(); n > 0 {
		t.Errorf("%d zombies", n)
	}
}

// TestReapBehindOurs: a child of ours that nobody has fetched yet hides none of
// the orphans, and is left to its owner.
func TestReapBehindOurs(t *testing.T) {
	undo, err := Subreaper()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = undo() }()
	ours, after := orphans(t, 0), orphans(t, 3)
	if err := ours.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of ours", func() bool { return !alive(ours.Process.Pid) })
	_ = after.Run()
	r := newReaper(nil)
	eventually(t, "three orphans", func() bool { r.sweep(); return r.count == 3 })
	if _ = ours.Wait(); ours.ProcessState.ExitCode() != 7 {
		t.Error("the exit code was lost")
	}
}

// TestReapWithoutHandles: where nothing tells ours from orphans, nobody is
// reaped who was not left lying for long.
func TestReapWithoutHandles(t *testing.T) {
	undo, err := Subreaper()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = undo() }()
	ours, after := orphans(t, 0), orphans(t, 3)
	if err := ours.Start(); err != nil {
		t.Fatal(err)
	}
	_ = after.Run()
	eventually(t, "four zombies", func() bool { return zombies() == 4 })
	now := time.Now()
	r := newReaper(func(pid int) bool { return pid == ours.Process.Pid })
	r.handles, r.now = false, func() time.Time { return now }
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 0}, {reapGrace - 1, 0}, {1, 3}, {time.Hour, 3}} {
		now = now.Add(step.after)
		if r.sweep(); r.count != step.want {
			t.Errorf("%d reaped, want %d", r.count, step.want)
		}
	}
	if _ = ours.Wait(); ours.ProcessState.ExitCode() != 7 {
		t.Error("the exit code was lost")
	}
}

// TestHandlesAreThere: the tests above are about what this machine does.
func TestHandlesAreThere(t *testing.T) {
	p, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Release() }()
	kernel := p.WithHandle(func(uintptr) {}) == nil
	if got := handlesWork(); got != (kernel && procIsOurs()) {
		t.Errorf("handles: %v, of the kernel: %v", got, kernel)
	}
}

func TestEntries(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "sleep", "100")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	e, ok := readEntry(strconv.Itoa(pid))
	if !ok || e.pid != pid || e.parent != os.Getpid() || e.dead() {
		t.Errorf("%+v", e)
	}
	if !held(-1)[pid] && handlesWork() {
		t.Error("it is not held")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if held(-1)[pid] {
		t.Error("it is still held")
	}
	if catches(os.Getpid(), 9) || !catches(os.Getpid(), 23) { // KILL; URG, which the runtime uses
		t.Error("who catches what is wrong")
	}
}

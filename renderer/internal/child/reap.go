package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// reapTick is how long a zombie may be overlooked when no signal told of it.
	reapTick = 2 * time.Second
	// reapGrace is how long a zombie is left alone where nothing tells ours
	// from orphans.
	reapGrace = 5 * time.Second
)

// Reap takes away the remains of processes that were re-parented to this one,
// and of no others: who waits for a process of its own, as os/exec does, finds
// its exit status. It is for a process that is PID 1 or a subreaper and runs no
// Supervisor, whose Run reaps itself. It returns when ctx ends.
func Reap(ctx context.Context) { newReaper(nil).run(ctx) }

// Subreaper makes orphans of our descendants children of ours, as they are of
// PID 1, and gives what undoes it.
func Subreaper() (undo func() error, err error) {
	var before int32
	if err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&before)), 0, 0, 0); err != nil {
		return nil, fmt.Errorf("asking whether this process adopts orphans: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("making this process adopt orphans: %w", err)
	}
	return func() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, uintptr(before), 0, 0, 0) }, nil
}

// reaper tells orphans from our own children. A child that os/exec started can
// be told by the handle that it keeps of it. Where there are none (an old
// kernel, a filter of system calls, no /proc) a zombie is taken for an orphan
// when nobody fetched it for reapGrace.
type reaper struct {
	handles bool
	mine    func(pid int) bool // known to be ours whatever the handles say; may be nil
	now     func() time.Time

	mu    sync.Mutex // no number is freed while somebody is about to signal it
	seen  map[int]time.Time
	count int // reaped
}

func newReaper(mine func(pid int) bool) *reaper {
	return &reaper{handles: handlesWork(), mine: mine, now: time.Now, seen: map[int]time.Time{}}
}

// handlesWork says whether os/exec keeps handles of its processes, and whether
// /proc tells of whom they are.
func handlesWork() bool {
	p, err := os.FindProcess(os.Getpid())
	if err != nil || !procIsOurs() {
		return false
	}
	defer func() { _ = p.Release() }()
	known := false
	err = p.WithHandle(func(uintptr) { known = held(-1)[os.Getpid()] })
	return err == nil && known
}

func (r *reaper) run(ctx context.Context) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	tick := time.NewTicker(reapTick)
	defer tick.Stop()
	for {
		r.sweep()
		select {
		case <-ctx.Done():
			r.sweep()
			return
		case <-ended:
		case <-tick.C:
		}
	}
}

// sweep reaps all orphans that have ended.
func (r *reaper) sweep() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		pid := firstZombie()
		if pid == 0 {
			clear(r.seen)
			return
		}
		if !r.reap(pid) {
			break // one of ours comes first, and hides the others
		}
	}
	for _, z := range entries(func(e entry) bool { return e.parent == os.Getpid() && e.dead() }) {
		r.reap(z.pid)
	}
}

// firstZombie gives a child that has ended, and leaves it; 0 = there is none.
func firstZombie() int {
	for {
		var info siginfo
		_, _, errno := unix.Syscall6(unix.SYS_WAITID, unix.P_ALL, 0, uintptr(unsafe.Pointer(&info)),
			unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, 0, 0)
		switch errno {
		case unix.EINTR:
		case 0:
			return int(info.pid)
		default: // no children at all
			return 0
		}
	}
}

// siginfo is what waitid says of a child: siginfo_t with its union.
type siginfo struct {
	signo, errno, code int32
	_                  [unsafe.Sizeof(uintptr(0)) - 4]byte // the union is aligned
	pid                int32
	uid                uint32
	status             int32
	_                  [100]byte
}

// reap takes a zombie away unless it is ours. Between the look at our handles
// and the reaping its owner may fetch it and its number be given to another
// child: a handle of our own, taken first, can't change hands.
func (r *reaper) reap(pid int) bool {
	if r.mine != nil && r.mine(pid) {
		return false
	}
	if !r.handles {
		return r.waited(pid) && r.take(unix.P_PID, pid, pid)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return errors.Is(err, unix.ESRCH) // gone already
	}
	defer func() { _ = unix.Close(fd) }()
	if held(fd)[pid] {
		return false
	}
	r.take(unix.P_PIDFD, fd, pid)
	return true // or its owner was faster
}

// waited says whether nobody fetched a zombie for long enough.
func (r *reaper) waited(pid int) bool {
	first, known := r.seen[pid]
	if !known {
		r.seen[pid] = r.now()
		return false
	}
	return r.now().Sub(first) >= reapGrace
}

// take waits for a process by its number or handle.
func (r *reaper) take(kind, id, pid int) bool {
	delete(r.seen, pid)
	for {
		err := unix.Waitid(kind, id, nil, unix.WEXITED|unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil {
			r.count++
		}
		return err == nil
	}
}

// adopted gives the living processes that were re-parented to us.
func (r *reaper) adopted() []int {
	own := held(-1)
	var out []int
	for _, e := range entries(func(e entry) bool { return e.parent == os.Getpid() && !e.dead() }) {
		if !own[e.pid] && (r.mine == nil || !r.mine(e.pid)) {
			out = append(out, e.pid)
		}
	}
	return out
}

// signalAdopted signals all that were re-parented to us and are not in told,
// and says how many there are.
func (r *reaper) signalAdopted(s syscall.Signal, told map[int]bool) int {
	r.mu.Lock() // nobody reaps now, so the numbers stay theirs
	defer r.mu.Unlock()
	if !r.handles {
		return 0 // ours can't be told from them
	}
	pids := r.adopted()
	for _, pid := range pids {
		if !told[pid] {
			told[pid] = true
			_ = syscall.Kill(pid, s)
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
	}
	return len(pids)
}

const (
	// remainsPoll is how often it is looked whether those that were told to end
	// have ended.
	remainsPoll = 20 * time.Millisecond
	// killPatience is how long a killed process may take to end: the kernel may
	// be writing for it.
	killPatience = 5 * time.Second
)

// endAdopted ends whatever was re-parented to us: asked with s (but for those in
// told, which were) until the deadline, killed then. It says how many are left:
// none, as a rule.
func (r *reaper) endAdopted(s syscall.Signal, told map[int]bool, deadline time.Time) (left int) {
	for killing := false; ; {
		if !killing && !time.Now().Before(deadline) {
			killing, s, deadline = true, syscall.SIGKILL, time.Now().Add(killPatience)
			clear(told)
		}
		r.sweep()
		left = r.signalAdopted(s, told)
		if left == 0 || (killing && time.Now().After(deadline)) {
			return left
		}
		time.Sleep(remainsPoll)
	}
}

package child

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// entry is one line of /proc: who a process is, and whose.
type entry struct {
	pid, parent, group int
	state              byte
}

// dead says that a process has ended and was not reaped yet.
func (e entry) dead() bool { return e.state == 'Z' || e.state == 'X' }

// procIsOurs says whether /proc shows the processes by the numbers that we know
// them by: it may be missing, or that of another PID namespace.
func procIsOurs() bool {
	self, err := os.Readlink("/proc/self")
	return err == nil && self == strconv.Itoa(os.Getpid())
}

// entries gives the processes that keep wants; those that end meanwhile may be
// missing.
func entries(keep func(entry) bool) []entry {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer func() { _ = dir.Close() }()
	names, _ := dir.Readdirnames(-1)
	var out []entry
	for _, n := range names {
		if n[0] < '0' || n[0] > '9' {
			continue
		}
		if e, ok := readEntry(n); ok && keep(e) {
			out = append(out, e)
		}
	}
	return out
}

// readEntry reads /proc/<pid>/stat: after the program's name, which may hold
// anything, come state, parent and group.
func readEntry(pid string) (e entry, ok bool) {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return e, false
	}
	rest := string(b)[strings.LastIndexByte(string(b), ')')+1:]
	f := strings.Fields(rest)
	if len(f) < 3 {
		return e, false
	}
	e.state = f[0][0]
	for _, n := range []struct {
		text string
		to   *int
	}{{pid, &e.pid}, {f[1], &e.parent}, {f[2], &e.group}} {
		if *n.to, err = strconv.Atoi(n.text); err != nil {
			return e, false
		}
	}
	return e, true
}

// groupLives says whether a process group has living members.
func groupLives(group int) bool {
	return len(entries(func(e entry) bool { return e.group == group && !e.dead() })) > 0
}

// catches says whether a process has a handler for a signal by now.
func catches(pid int, s syscall.Signal) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		if mask, ok := strings.CutPrefix(line, "SigCgt:"); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			return err == nil && n>>(uint(s)-1)&1 == 1
		}
	}
	return false
}

// held gives the processes that this process has handles (pidfds) of. Those
// that os/exec started are among them until it has their exit status: it opens
// the handle in the same system call that makes the process, and closes it after
// it has reaped it. except is a descriptor that does not count.
func held(except int) map[int]bool {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return nil
	}
	defer func() { _ = dir.Close() }()
	names, _ := dir.Readdirnames(-1)
	out := map[int]bool{}
	for _, n := range names {
		to, err := os.Readlink("/proc/self/fd/" + n)
		if err != nil || !strings.Contains(to, "pidfd") || n == strconv.Itoa(except) {
			continue
		}
		b, err := os.ReadFile("/proc/self/fdinfo/" + n)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if v, ok := strings.CutPrefix(line, "Pid:"); ok {
				pid, _ := strconv.Atoi(strings.TrimSpace(v))
				out[pid] = true
			}
		}
	}
	return out
}

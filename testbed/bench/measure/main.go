// Command measure runs one command and prints as JSON what it cost: wall time,
// CPU time, peak memory; with -window also the CPU time of that long a stretch
// of its life, after which it is told to stop.
//
// It is a process of its own because the kernel starts a child's peak memory at
// that of the process which made it: measured from the benchmark itself, which
// is larger, every small program would look as large as the benchmark.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type result struct {
	Wall   time.Duration `json:"wall"`
	CPU    time.Duration `json:"cpu"`
	PeakKB int64         `json:"peak_kb"`
	Window time.Duration `json:"window"`     // as it was, with -window
	Busy   time.Duration `json:"window_cpu"` // CPU time in it
	Exit   int           `json:"exit"`
	RSSKB  int64         `json:"rss_kb"`   // resident memory at its end
	Start  int64         `json:"start_ns"` // when the command was started, since 1970
}

func main() {
	log := flag.String("log", os.DevNull, "`file` for what the command prints")
	warm := flag.Duration("warm", 0, "wait this long before the window")
	window := flag.Duration("window", 0, "measure this long, then end the command")
	flag.Parse()
	r, err := run(*log, *warm, *window, flag.Args())
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "measure: error:", err)
		os.Exit(1)
	}
}

func run(log string, warm, window time.Duration, argv []string) (*result, error) {
	if len(argv) == 0 {
		return nil, errors.New("no command given")
	}
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	// The signal that ends the child with its parent hangs on the thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	r := &result{}
	start := time.Now()
	r.Start = start.UnixNano()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if window > 0 {
		if err := r.watch(cmd.Process, warm, window); err != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			return nil, err
		}
	}
	err = cmd.Wait()
	r.Wall = time.Since(start)
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		return nil, err
	}
	s := cmd.ProcessState
	r.CPU, r.Exit = s.UserTime()+s.SystemTime(), s.ExitCode()
	r.PeakKB = s.SysUsage().(*syscall.Rusage).Maxrss
	return r, nil
}

// watch measures a stretch of a command's life and then ends it.
func (r *result) watch(p *os.Process, warm, window time.Duration) error {
	time.Sleep(warm)
	before, err := cpuTime(p.Pid)
	if err != nil {
		return err
	}
	start := time.Now()
	time.Sleep(window)
	after, err := cpuTime(p.Pid)
	if err != nil {
		return err
	}
	r.Window, r.Busy = time.Since(start), after-before
	if r.RSSKB, err = resident(p.Pid); err != nil {
		return err
	}
	return p.Signal(syscall.SIGTERM)
}

// resident is the memory of a process that is in use, in KiB.
func resident(pid int) (int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(raw), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, fmt.Errorf("/proc/%d/status: no VmRSS", pid)
	}
	return strconv.ParseInt(fields[0], 10, 64)
}

// cpuTime is the CPU time that a process has used, in steps of 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	text := string(raw)
	// The second field, the name, may hold blanks; it ends with the last ")".
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat: too short", pid)
	}
	var ticks int64
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vault-renderer/testbed/tied"
)

// smallDisk mounts a tmpfs of 64 KiB at out/, in a mount namespace that only
// the programs of this test see and that ends with it. A process that sleeps
// holds it; the others enter. Where the machine does not permit a mount, the
// disk is made full by a limit on the renderer's own files: see fill.
func (r *rig) smallDisk() {
	r.t.Helper()
	flag := "-m"
	if os.Geteuid() != 0 {
		flag = "-rm" // root in a namespace of its own may mount
	}
	ready := r.dir + "/mounted"
	holder := exec.Command("unshare", flag, "sh", "-c",
		`mount -t tmpfs -o size=64k,mode=0700 tmpfs "$1" && : >"$2" && exec sleep 600`, "sh", r.dir+"/out", ready)
	done, err := tied.Start(holder, nil)
	if err == nil {
		r.t.Cleanup(func() { _ = holder.Process.Kill(); <-done })
		r.eventually("a tmpfs is mounted, or not permitted", 10*time.Second, func() bool {
			return exists(ready) || holderGone(done)
		})
	}
	if err != nil || holderGone(done) {
		r.t.Log("no private tmpfs on this machine: the renderer's files are limited instead")
		return
	}
	pid := fmt.Sprint(holder.Process.Pid)
	r.outside = "/proc/" + pid + "/root"
	r.inside = []string{"nsenter", "-t", pid, "-m"}
	if flag == "-rm" {
		r.inside = append(r.inside, "-U", "--preserve-credentials")
	}
	r.inside = append(r.inside, "sh", "-c", `cd "$0" && exec "$@"`, r.dir)
}

func holderGone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// fill lets the disk of out/ be full and returns what frees it again.
func (r *rig) fill() (free func()) {
	r.t.Helper()
	if r.outside == "" {
		return r.limit()
	}
	path := filepath.Join(r.outside, r.dir, "out", "fill")
	f, err := os.Create(path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	for page := make([]byte, 4096); err == nil; {
		_, err = f.Write(page)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		r.t.Fatalf("the disk is not full but: %v", err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			r.t.Fatal(err)
		}
	}
}

// limit forbids the renderer to write into files: its writes fail as on a full
// disk, with another error number.
func (r *rig) limit() (free func()) {
	r.t.Helper()
	set := func(n uint64) {
		var old unix.Rlimit
		pid := r.renderer.cmd.Process.Pid
		if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, nil, &old); err != nil {
			r.t.Fatal(err)
		}
		if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: n, Max: old.Max}, nil); err != nil {
			r.t.Fatal(err)
		}
	}
	set(0)
	return func() { set(unix.RLIM_INFINITY) }
}

package e2e

import (
	"os"
	"strings"
	"syscall"
	"time"
)

// hostFaults are those of the machine: its disk, its clock.
func hostFaults() []fault {
	return []fault{
		{name: "disk-full", setup: setup{limits: lives(60, 9), managed: &managed{smallDisk: true, stateInOut: true}}, within: seconds(15), rotates: true, do: diskFull},
		{name: "directory-removed", setup: setup{limits: lives(60, 6)}, within: seconds(6), rotates: true, do: directoryRemoved},
		{name: "clock-jump", setup: setup{limits: lives(60, 6)}, refused: seconds(5), within: seconds(5), do: clockJump},
	}
}

// diskFull has the disk of the file and the state be full when the credentials
// change.
func diskFull(r *rig) time.Time {
	before := r.digest()
	free := r.fill()
	r.eventually("the renderer has no room", 40*time.Second, func() bool {
		s, err := r.status()
		return err == nil && len(s.Rollouts) == 1 && s.Rollouts[0].Error != ""
	})
	r.mustBe(r.digest() == before, "the file is not as it was")
	free()
	return time.Now()
}

func directoryRemoved(r *rig) time.Time {
	if err := os.RemoveAll(r.dir + "/out"); err != nil {
		r.t.Fatal(err)
	}
	removed := time.Now()
	r.eventually("the file is back", 20*time.Second, func() bool { return exists(r.file()) })
	return removed
}

// clockJump stops the renderer for longer than its lease lives, as a suspended
// machine is. Vault goes on, and drops the account.
func clockJump(r *rig) time.Time {
	before := r.generation()
	r.renderer.signal(syscall.SIGSTOP)
	r.eventually("the account is dropped", 20*time.Second, func() bool { return r.accounts() == 0 })
	wait(r.t, 2*time.Second)
	r.renderer.signal(syscall.SIGCONT)
	back := time.Now()
	r.eventually("new credentials", 20*time.Second, r.another(before))
	return back
}

// stagedLeft are files beside the destination that should not be there.
func (r *rig) stagedLeft() (left []string) {
	entries, err := os.ReadDir(strings.TrimSuffix(r.file(), "/config.ini"))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".config.ini") {
			left = append(left, e.Name())
		}
	}
	return left
}

package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A restart goes on where the last run was, whether it was asked to stop or
// killed: after five of them there is one login, one lease, one account, and
// the file is the one that was written first. With on_exit = "revoke" the last
// run leaves nothing.
func TestRestart(t *testing.T) {
	t.Parallel()
	for name, lease := range map[string]string{"the agent's token": "", "tokens of their own": "own_token = true"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			restarts(t, lease)
		})
	}
}

func restarts(t *testing.T, lease string) {
	hook := `reload {
    command = ["sh", "run/hook.sh"]
  }`
	hour := limits{time.Hour, 10 * time.Hour, time.Hour, 10 * time.Hour}
	r := start(t, setup{limits: hour, managed: &managed{keep: true, reload: hook, lease: lease}})
	r.eventually("all is well", 15*time.Second, r.well)
	r.hook("echo ran >>run/hooks")
	began := time.Now()
	r.load()
	file, generation := inode(t, r.file()), r.generation()
	for i := range 5 {
		r.restart(i%2 == 0)
		r.unchanged(fmt.Sprintf("restart %d", i+1), began, file, generation)
	}
	// A revocation makes a generation as ever: that the lease came from an
	// earlier run makes no difference.
	r.revokeLeases()
	r.eventually("new credentials after the restarts", 10*time.Second, r.another(generation))
	r.eventually("the hook runs for it", 5*time.Second, func() bool { return exists(r.dir + "/run/hooks") })
	r.eventually("all is well with it", 5*time.Second, r.well)
	r.noFailures(began)
	r.setOnExit("revoke")
	r.restart(true)
	r.nothingLeft()
}

// restart ends the renderer and starts it again; it returns when all is well.
func (r *rig) restart(politely bool) {
	r.t.Helper()
	if politely {
		if err := r.renderer.end(); err != nil {
			r.t.Fatal(err)
		}
	} else {
		r.renderer.kill()
	}
	if !exists(r.file()) || r.accounts() != 1 {
		r.t.Errorf("stopped with the file %t and %d accounts", exists(r.file()), r.accounts())
	}
	goneOn := r.renderer.said("going on from the state of an earlier run")
	r.startRenderer()
	r.eventually("it goes on", 10*time.Second, func() bool { return r.renderer.said("going on from the state of an earlier run") > goneOn })
	r.eventually("all is well after a restart", 10*time.Second, r.well)
}

// unchanged checks that nothing was asked for or written since a moment.
func (r *rig) unchanged(after string, since time.Time, file string, before generation) {
	r.t.Helper()
	for _, q := range r.proxy.Records(since) {
		if strings.HasSuffix(q.Path, "/login") || strings.Contains(q.Path, "/creds/") || strings.Contains(q.Path, "/token/create") {
			r.t.Errorf("%s: %s %s", after, q.Method, q.Path)
		}
	}
	if now := inode(r.t, r.file()); now != file {
		r.t.Errorf("%s: the file was written again: %s, then %s", after, file, now)
	}
	if exists(r.dir + "/run/hooks") {
		r.t.Errorf("%s: the hook ran", after)
	}
	if now := r.generation(); now != before {
		r.t.Errorf("%s: the webapp uses %+v, not %+v", after, now, before)
	}
	if n := r.accounts(); n != 1 {
		r.t.Errorf("%s: %d accounts", after, n)
	}
}

// inode is what changes when a file is replaced or written.
func inode(t *testing.T, path string) string {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("inode %d of %s", fi.Sys().(*syscall.Stat_t).Ino, fi.ModTime().Format(time.RFC3339Nano))
}

// setOnExit changes that one key of the configuration.
func (r *rig) setOnExit(to string) {
	r.t.Helper()
	text := readFile(r.t, r.dir+"/config.hcl")
	changed := strings.Replace(text, `on_exit    = "keep"`, fmt.Sprintf("on_exit    = %q", to), 1)
	r.mustBe(changed != text, "on_exit is not in the configuration")
	writeFile(r.t, r.dir+"/config.hcl", changed)
}

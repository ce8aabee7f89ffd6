package e2e

import (
	"strconv"
	"strings"
	"syscall"
	"time"

	"vault-renderer/testbed/faultproxy"
)

// applicationFaults are those of the application and of what tells it.
func applicationFaults() []fault {
	hour := limits{time.Hour, 10 * time.Hour, time.Hour, 10 * time.Hour}
	// Replaced with a third of the life left: there is something to go back to.
	spare := limits{time.Minute, 10 * time.Minute, 18 * time.Second, 18 * time.Second}
	hook := func(keys string) *managed {
		return &managed{reload: "reload {\n command = [\"sh\", \"run/hook.sh\"]\n " + keys + "\n }", ackTimeout: "5s"}
	}
	return []fault{
		{name: "check-fails", setup: setup{limits: hour}, within: seconds(5), do: checkFails},
		{name: "hook-fails", setup: setup{limits: spare, managed: hook("retries = 1")}, within: seconds(20), do: hookFails},
		{name: "hook-hangs", setup: setup{limits: hour, managed: hook("retries = 0\n timeout = \"1s\"")}, within: seconds(20), do: hookHangs},
		{name: "hook-floods", setup: setup{limits: hour, managed: hook("timeout = \"10s\"")}, within: seconds(10), do: hookFloods},
		{name: "app-never-acks", setup: setup{limits: spare, managed: &managed{gate: true, ackTimeout: "2s", silentApp: true}}, within: seconds(20), do: neverAcks},
		{name: "app-dies", setup: setup{limits: spare, managed: &managed{ackTimeout: "2s"}}, refused: seconds(30), within: seconds(20), rotates: true, do: appDies},
	}
}

// checkFails has somebody break the template: the webapp's own check finds out.
func checkFails(r *rig) time.Time {
	before, path := r.digest(), r.dir+"/templates/config.ini.tmpl"
	whole := readFile(r.t, path)
	writeFile(r.t, path, strings.Replace(whole, "MYSQL_PASSWORD", "MYSQL_PASSWD", 1))
	r.renderer.signal(syscall.SIGHUP)
	r.said(20*time.Second, "the new generation was not put in place; the one before stays")
	r.mustBe(r.digest() == before && r.ill() != "", "the file is another, or nobody says that something is wrong")
	writeFile(r.t, path, whole)
	r.renderer.signal(syscall.SIGHUP)
	return time.Now()
}

// hook writes the script that the reload block runs.
func (r *rig) hook(script string) { writeFile(r.t, r.dir+"/run/hook.sh", script) }

// hookFails has the command that tells the application fail when the
// credentials change.
func hookFails(r *rig) time.Time {
	r.hook("echo no >&2; exit 1")
	r.said(30*time.Second, "the files of the one before are back")
	r.hook("exit 0")
	return time.Now()
}

// reword changes the template by a comment: a new generation of the same
// credentials.
func (r *rig) reword() {
	r.t.Helper()
	path := r.dir + "/templates/config.ini.tmpl"
	writeFile(r.t, path, readFile(r.t, path)+"# Somebody has been here.\n")
	r.renderer.signal(syscall.SIGHUP)
}

// hookHangs has it hang, with a child.
func hookHangs(r *rig) time.Time {
	before := r.digest()
	r.hook("echo $$ >run/hook.pid; sleep 60 & wait")
	r.reword()
	r.said(30*time.Second, "the files of the one before are back")
	r.mustBe(r.digest() == before && r.generation().Digest == before, "the file is another than before")
	pid, err := strconv.Atoi(strings.TrimSpace(readFile(r.t, r.dir+"/run/hook.pid")))
	r.mustBe(err == nil, "no process id: %v", err)
	r.hook("exit 0")
	r.eventually("the hook and its child are gone", 5*time.Second, func() bool { return syscall.Kill(-pid, 0) == syscall.ESRCH })
	return time.Now()
}

// flood is what the hook writes, in bytes.
const flood = 16 << 20

// hookFloods has it write without end into both of its outputs.
func hookFloods(r *rig) time.Time {
	before := rss(r.t, r.renderer)
	r.hook("head -c " + strconv.Itoa(flood) + " /dev/zero >&2; head -c " + strconv.Itoa(flood) + " /dev/zero; : >run/flooded")
	r.reword()
	r.eventually("the hook has run", 30*time.Second, func() bool { return exists(r.dir + "/run/flooded") })
	told := time.Now()
	if now := rss(r.t, r.renderer); now > before+8<<10 {
		r.t.Errorf("the renderer grew from %d to %d KiB", before, now)
	}
	r.hook("exit 0")
	return told
}

// neverAcks has the application's report unreachable while the credentials
// change, until the old ones have ended: then the new ones stay.
func neverAcks(r *rig) time.Time {
	before := r.digest()
	r.acks.Set(faultproxy.Fault{Status: 503, Error: "no report"})
	r.said(30*time.Second, "the files of the one before are back")
	r.mustBe(r.digest() == before, "the file is another than before")
	s, err := r.status()
	r.mustBe(err == nil && !s.Ready && len(s.Reasons) > 0, "ready without an ack: %+v %v", s, err)
	if left := r.stagedLeft(); len(left) > 0 {
		r.t.Errorf("left beside the file: %v", left)
	}
	r.said(30*time.Second, "it stays, because the credentials before it have ended")
	r.mustBe(r.digest() != before, "the file is that of the credentials that have ended")
	r.acks.Mend()
	return time.Now()
}

// appDies kills the application until the renderer has missed it.
func appDies(r *rig) time.Time {
	r.web.kill()
	r.said(30*time.Second, "the application has not confirmed the new generation")
	r.startWebapp()
	return time.Now()
}

package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"vault-renderer/testbed/port"
)

// supervised says which program the renderer starts and how it gets new
// credentials.
type supervised string

const (
	no      supervised = ""
	webapp  supervised = "webapp"  // it reads its file again
	rolling supervised = "rolling" // the next one takes over the socket
	always  supervised = "always"  // it is stopped and started again
)

func (s supervised) program() bool { return s == rolling || s == always }

// childArgs is the webapp's command, behind the renderer's own.
func (r *rig) childArgs() []string {
	if r.o.supervised != webapp {
		return nil
	}
	return []string{"--", servers.webb, "-config=" + r.file(), "-listen=127.0.0.1:0", "-ack=run/webapp.ack"}
}

const programConfig = `
strict  = true
on_exit = "revoke"

auto_auth {
  method "approle" {
    config = {
      role_id_file_path   = "run/role_id"
      secret_id_file_path = "run/secret_id"
    }
  }
  sink "file" {
    config = {
      path = "run/vault-token"
    }
  }
}

lease {
  revoke = "always"
  grace  = "200ms"
}

env_template "USER" {
  contents = "{{ with secret \"database/creds/mysql-role\" }}{{ .Data.username }}{{ end }}"
}
env_template "PASSWORD" {
  contents = "{{ with secret \"database/creds/mysql-role\" }}{{ .Data.password }}{{ end }}"
}
template "config.ini" {
  contents    = "{{ with secret \"database/creds/mysql-role\" }}MYSQL_PASSWORD = {{ .Data.password }}{{ end }}\n"
  destination = "run/config.ini"
  perms       = 0600
}

exec {
  command                   = [%q]
  restart_on_secret_changes = %q
  env {
    allowlist = ["PATH"]
    custom    = ["APP_LOG=%s/app.log", "APP_MYSQL=%s/notes_webapp", "APP_STARTUP=300ms", "APP_DRAIN=500ms", "APP_LISTEN=%s"]
  }
  ready { %s }
  %s
}
`

// configureProgram lets the renderer supervise a program that has its
// credentials from its environment. With rolling the socket is the renderer's.
func (r *rig) configureProgram() {
	r.t.Helper()
	address, err := port.Address()
	if err != nil {
		r.t.Fatal(err)
	}
	r.base = "http://" + address
	ready, socket := "notify = true", fmt.Sprintf("socket \"http\" { address = %q }", address)
	if r.o.supervised == always {
		ready, socket = fmt.Sprintf("address = %q", address), ""
	}
	writeFile(r.t, r.dir+"/config.hcl", fmt.Sprintf(programConfig, servers.app, r.o.supervised, r.dir, r.db.Addr(), address, ready, socket))
}

// TestSupervisedWebapp: `vault-renderer agent -config=config.hcl -- webapp` is
// all there is to start. Credentials change under load and no request fails;
// both end together.
func TestSupervisedWebapp(t *testing.T) {
	t.Parallel()
	r := start(t, setup{limits: limits{time.Minute, 10 * time.Minute, 3 * time.Second, 6 * time.Second}, supervised: webapp})
	began := time.Now()
	r.load()
	r.rotations(3, time.Minute)
	r.stopLoad()
	r.noFailures(began)
	if n := r.renderer.said("the child was started"); n != 1 {
		t.Errorf("the webapp was started %d times", n)
	}
	r.noAccountsLeft(15 * time.Second)
	if _, _, err := r.get("/read/1"); err == nil {
		t.Error("the webapp still answers")
	}
	t.Logf("%d requests, none failed", r.requests.Load())
}

// TestSupervisedProgram: a program that logs in to MariaDB with what is in its
// environment, through three rotations under load. Rolling, no request fails;
// started again, those that come between the end of one program and the start
// of the next. Old accounts are revoked, but never one that a program uses; at
// the end none is left.
func TestSupervisedProgram(t *testing.T) {
	t.Parallel()
	for _, way := range []supervised{rolling, always} {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			r := start(t, setup{limits: limits{time.Minute, 10 * time.Minute, 3 * time.Second, 6 * time.Second}, supervised: way})
			began := time.Now()
			r.load()
			const rotations = 3
			r.eventually("three rotations", time.Minute, func() bool { return len(r.moments("ready")) > rotations })
			r.eventually("the end of the one before", 10*time.Second, func() bool { return len(r.moments("end")) == rotations })
			r.eventually("old accounts are revoked", 2*time.Second, func() bool { return r.accounts() == 1 })
			r.stopLoad()
			if way == rolling {
				r.noFailures(began)
			} else {
				r.failuresInGaps(began)
			}
			if bad := r.moments("error"); len(bad) > 0 {
				t.Errorf("the database refused a program, %d times", len(bad))
			}
			t.Logf("%d requests, %d failed", r.requests.Load(), len(r.failures.since(began)))
			r.programGone()
		})
	}
}

// moments are the times at which a program wrote a line.
func (r *rig) moments(what string) (out []time.Time) {
	b, _ := os.ReadFile(r.dir + "/app.log")
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 3 || f[2] != what {
			continue
		}
		n, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil {
			r.t.Fatal(err)
		}
		out = append(out, time.Unix(0, n))
	}
	return out
}

// failuresInGaps wants every failed request between a program's last moments and
// the next one's first, and that to be hardly more than a program takes to start.
func (r *rig) failuresInGaps(began time.Time) {
	r.t.Helper()
	starts, readies, ends := r.moments("start"), r.moments("ready"), r.moments("end")
	const draining, busy = 700 * time.Millisecond, 700 * time.Millisecond
	for i, end := range ends {
		gap, own := readies[i+1].Sub(end), readies[i+1].Sub(starts[i+1])
		r.t.Logf("restart %d: %s, of which the program's own start %s", i+1, gap.Round(time.Millisecond), own.Round(time.Millisecond))
		if gap > own+busy {
			r.t.Errorf("restart %d took %s more than the program's start", i+1, gap-own)
		}
	}
	for _, f := range r.failures.since(began) {
		inside := false
		for i, end := range ends {
			inside = inside || f.ended.After(end.Add(-draining)) && f.began.Before(readies[i+1].Add(busy))
		}
		if !inside {
			r.t.Errorf("a request failed that came in no gap: %s", f.text)
		}
	}
}

// programGone ends the renderer: neither program nor account nor file is left.
func (r *rig) programGone() {
	r.t.Helper()
	if err := r.renderer.end(); err != nil {
		r.t.Error(err)
	}
	if starts, ends := r.moments("start"), r.moments("end"); len(starts) != len(ends) {
		r.t.Errorf("%d starts, %d ends", len(starts), len(ends))
	}
	if n := r.accounts(); n != 0 {
		r.t.Errorf("%d accounts are left", n)
	}
	if exists(r.file()) {
		r.t.Error("the file is left")
	}
}

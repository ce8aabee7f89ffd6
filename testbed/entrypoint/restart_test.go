package entrypoint

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vault-renderer/testbed/pidns"
	"vault-renderer/testbed/port"
)

// freePort gives one that nobody listens at.
func freePort(t *testing.T) string {
	t.Helper()
	n, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(n)
}

const startUp = 300 * time.Millisecond

// TestGap: a restart takes no longer than the program needs to start. The limit
// for the best of them is strict; the others may have had a busy machine.
func TestGap(t *testing.T) {
	w := asEntrypoint(t)
	r := w.start(valueOfApp + fmt.Sprintf(`
exec {
  command = ["@APP"]
  env { custom = ["APP_LISTEN=127.0.0.1:%s", "APP_STARTUP=%s"] }
}`, freePort(t), startUp))
	const rotations = 4
	for i := range rotations {
		w.says("ready canary-"+fmt.Sprint(i), 1)
		w.put(fmt.Sprint("canary-", i+1))
	}
	w.says("ready", rotations+1)
	starts, readies, ends := w.lines("start"), w.lines("ready"), w.lines("end")
	var over []time.Duration
	for i := range rotations {
		own := readies[i+1].at.Sub(starts[i+1].at)
		gap := readies[i+1].at.Sub(ends[i].at)
		over = append(over, gap-own)
	}
	t.Logf("beside the %s of the program's own start a restart took %v", startUp, over)
	if least, most := slices.Min(over), slices.Max(over); least > 100*time.Millisecond || most > time.Second {
		t.Errorf("between the end of one and the start of the next: %s to %s", least, most)
	}
	r.stop()
}

const rolling = `
exec {
  command                   = ["@APP"]
  restart_on_secret_changes = "rolling"
  env { custom = ["APP_STARTUP=50ms", "APP_DRAIN=%[2]s"] }
  ready { notify = true }
  socket "http" { address = %[1]q }
}`

// TestRolling: no connection is refused, and none ends without an answer, while
// one program after the other takes over the socket.
func TestRolling(t *testing.T) {
	const rolls = 6
	w := asEntrypoint(t)
	address := "127.0.0.1:" + freePort(t)
	r := w.start(valueOfApp + fmt.Sprintf(rolling, address, "0s"))
	w.says("ready", 1)
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var answers atomic.Int64
	for range 3 {
		clients.Go(func() {
			for ctx.Err() == nil {
				if _, err := get(t.Context(), address); err != nil {
					t.Error(err)
					return
				}
				answers.Add(1)
				time.Sleep(time.Millisecond) // the machine is for others, too
			}
		})
	}
	for i := range rolls {
		value := fmt.Sprint("canary-", i+1)
		w.put(value)
		w.says("ready "+value, 1)
		w.says("end", i+1)
	}
	stop()
	clients.Wait()
	if v, err := get(t.Context(), address); v != fmt.Sprint("canary-", rolls) {
		t.Errorf("at the end the answer is %q, %v", v, err)
	}
	t.Logf("%d answers from %d programs, none refused", answers.Load(), rolls+1)
	r.stop()
}

// get makes a connection of its own for one question.
func get(ctx context.Context, address string) (string, error) {
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", resp.Status)
	}
	return string(b), err
}

const leased = `
env_template "VALUE" {
  contents             = "{{ with secret \"database/creds/ROLE\" }}{{ .Data.username }}{{ end }}"
  error_on_missing_key = true
}
env_template "PASSWORD" {
  contents             = "{{ with secret \"database/creds/ROLE\" }}{{ .Data.password }}{{ end }}"
  error_on_missing_key = true
}
`

// TestOldCredentials: while the old program still works on what it accepted,
// longer than the grace, its account lives; then it is revoked, and at the end
// none is left.
func TestOldCredentials(t *testing.T) {
	w := asEntrypoint(t)
	r := w.start(strings.ReplaceAll(leased, "ROLE", "short") + fmt.Sprintf(rolling, "127.0.0.1:"+freePort(t), "1200ms") + `
lease {
  revoke = "always"
  grace  = "100ms"
}
on_exit = "revoke"
`)
	w.says("ready", 1)
	old := w.lines("ready")[0].more
	w.says("ready", 2)
	w.says("end", 1)
	if !slices.Contains(w.db.Users(), old) {
		t.Error("the account was revoked while the old program used it")
	}
	w.eventually("the old account's end", func() bool { return !slices.Contains(w.db.Users(), old) })
	if took := time.Since(w.lines("end")[0].at); took > time.Second {
		t.Errorf("it was revoked %s after the old program's end", took)
	}
	r.stop()
	if users := w.db.Users(); len(users) > 0 {
		t.Errorf("accounts are left: %q", users)
	}
}

// TestResumed: when vault-renderer was killed, and its program with it, the
// next one starts the program with the same credentials, without a login.
func TestResumed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		text := strings.ReplaceAll(leased, "ROLE", "app") + command + `
state_file = "@DIR/state"
`
		r := w.start(text)
		w.says("ready", 1)
		w.vault.ResetRequests()
		for i := range 2 {
			w.eventually("the state", func() bool { return w.there("state") })
			r.signal(syscall.SIGKILL)
			r.ends()
			r = w.start(text)
			w.says("ready", i+2)
		}
		readies := w.lines("ready")
		if readies[0].more == "" || readies[0].more != readies[2].more {
			t.Errorf("started with %q, then with %q", readies[0].more, readies[2].more)
		}
		for _, q := range w.vault.Requests() {
			if strings.HasSuffix(q, "/login") || strings.Contains(q, "/creds/") {
				t.Errorf("asked for anew: %s", q)
			}
		}
		if users := w.db.Users(); len(users) != 1 {
			t.Errorf("accounts: %q", users)
		}
		r.stop()
	})
}

// TestKilledWhileRolling: vault-renderer is killed while the next program
// starts. The one after it starts that program with the new credentials, and
// revokes the old ones, which nobody has any more.
func TestKilledWhileRolling(t *testing.T) {
	w := asEntrypoint(t)
	text := strings.ReplaceAll(leased, "ROLE", "nine") + strings.Replace(fmt.Sprintf(rolling, "127.0.0.1:"+freePort(t), "0s"), "50ms", "400ms", 1) + `
state_file = "@DIR/state"
lease {
  revoke = "always"
  grace  = "100ms"
}
`
	r := w.start(text)
	w.says("ready", 1)
	old := w.lines("ready")[0].more
	w.says("start", 2)
	next := w.lines("start")[1].more
	r.signal(syscall.SIGKILL)
	r.ends()
	if users := w.db.Users(); old == next || !slices.Contains(users, old) || !slices.Contains(users, next) {
		t.Errorf("%q after %q, accounts: %q", next, old, users)
	}
	r = w.start(text)
	w.says("ready "+next, 1)
	began := time.Now()
	w.eventually("the old account's end", func() bool { return !slices.Contains(w.db.Users(), old) })
	if took := time.Since(began); took > time.Second {
		t.Errorf("the old account lived for %s", took)
	}
	if users := w.db.Users(); len(users) != 1 {
		t.Errorf("accounts: %q", users)
	}
	r.stop()
}

// TestUser: the program runs as somebody else, with its socket, and ends with
// us all the same. Without the right to that it is said before anything starts.
func TestUser(t *testing.T) {
	t.Parallel()
	kind := programs.kind
	if os.Geteuid() != 0 {
		kind = pidns.Subreaper // root of a user namespace has the right, and nobody else there to be
	}
	w := newWorld(t, kind)
	if err := os.Chmod(w.dir, 0o711); err != nil {
		t.Fatal(err)
	}
	r := w.start(valueOfApp+`
exec {
  user = "65533"
  socket "http" { address = "127.0.0.1:`+freePort(t)+`" }
}`, "sh", "-c", `echo "$(id -u) $(id -g) $LISTEN_FDS"; exec sleep 1000`)
	if os.Geteuid() != 0 {
		if code := r.ends(); code != 1 || !strings.Contains(r.log.String(), "CAP_SETUID") {
			t.Errorf("exit code %d", code)
		}
		return
	}
	w.eventually("the program as somebody else", func() bool { return r.out.String() == "65533 65533 1\n" })
	r.signal(syscall.SIGKILL)
	r.ends()
	w.eventually("the end of all", func() bool { return len(w.running()) == 0 })
}

// TestStartTimeout: without its secrets the program is not started, and the end
// says what is missing.
func TestStartTimeout(t *testing.T) {
	w := asEntrypoint(t)
	r := w.start(strings.ReplaceAll(valueOfApp, "kv/app", "kv/missing")+`
exec { start_timeout = "500ms" }`, programs.app)
	if code := r.ends(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(r.log.String(), "not there after start_timeout (500ms)") || !strings.Contains(r.log.String(), "kv/data/missing") {
		t.Error("it is not said what is missing")
	}
	if len(w.lines("start")) > 0 {
		t.Error("the program was started")
	}
}

package child

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"
)

// touching is app that says by a file of its own that it is ready, unless it is
// told to be late or to die first.
const touching = `
test "$X" = dies && exit 9
test "$X" = late || (sleep 0.05; echo >${OUT}ready.$$) &
` + app

func rolling(t *testing.T, o Options) *rig {
	t.Helper()
	o.Restart = Rolling
	o.BackoffMin = 50 * time.Millisecond
	if o.Command == nil {
		o.Command = []string{touching}
	}
	o.KillTimeout = 5 * time.Second
	if o.Ready == nil {
		o.Ready = whenTouched()
	}
	return supervise(t, o)
}

func whenTouched() *Ready {
	return &Ready{
		Command:  []string{"test -e ${OUT}ready.$VAULT_RENDERER_CHILD_PID"},
		Interval: 10 * time.Millisecond, Timeout: patience,
	}
}

func TestRolling(t *testing.T) {
	r := rolling(t, Options{})
	r.Set(Update{Env: []string{"X=1"}, Generation: 1})
	r.next(IsReady)
	r.Set(Update{Env: []string{"X=2"}, Generation: 2})
	if e := r.next(IsReady); e.Generation != 2 {
		t.Errorf("ready: %+v", e)
	}
	if r.said("TERM") > 0 && r.said("start 2") == 0 {
		t.Error("the old one was stopped first")
	}
	if e := r.next(Stopped); e.Generation != 1 {
		t.Errorf("stopped: %+v", e)
	}
	r.Set(Update{Env: []string{"X=2"}, Generation: 3, Restart: true})
	if e := r.next(Stopped); e.Generation != 2 {
		t.Errorf("stopped: %+v", e)
	}
	if r.said("start 1") != 1 || r.said("start 2") != 2 {
		t.Error("started too often")
	}
}

// TestRollingRefuses: the old child stays whatever is wrong with the new one,
// which is tried again, until there are better secrets.
func TestRollingRefuses(t *testing.T) {
	for bad, want := range map[string]string{"dies": "ended with code 9 before", "late": "not ready within 300ms"} {
		t.Run(bad, func(t *testing.T) {
			o := Options{ReloadSignal: syscall.SIGHUP, Ready: whenTouched()}
			o.Ready.Timeout = 300 * time.Millisecond
			r := rolling(t, o)
			r.Set(Update{Env: []string{"X=1"}, Generation: 1})
			old := r.next(IsReady).PID
			r.Set(Update{Env: []string{"X=" + bad}, Generation: 2, FilesChanged: true})
			for range 2 { // it is tried again
				if e := r.next(Refused); e.Generation != 2 || !strings.Contains(e.Err.Error(), want) {
					t.Errorf("refused: %+v", e)
				}
			}
			r.says("HUP", 1) // the files are there anyway
			if !alive(old) {
				t.Fatal("the old one is gone")
			}
			r.Set(Update{Env: []string{"X=3"}, Generation: 3})
			if e := r.next(IsReady); e.Generation != 3 {
				t.Errorf("ready: %+v", e)
			}
			eventually(t, "the end of the old one", func() bool { return !alive(old) })
			if r.said("HUP") != 1 {
				t.Error("told twice")
			}
		})
	}
}

func TestRollingTakenBack(t *testing.T) {
	r := rolling(t, Options{})
	r.Set(Update{Env: []string{"X=1"}})
	r.next(IsReady)
	r.Set(Update{Env: []string{"X=late"}, Generation: 2})
	r.next(Started)
	r.says("start late", 1)
	r.Set(Update{Env: []string{"X=1"}, Generation: 3})
	if e := r.next(Stopped); e.Generation != 2 {
		t.Errorf("stopped: %+v", e)
	}
	if err := r.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	r.says("USR1", 1)
}

func TestRollingSuperseded(t *testing.T) {
	r := rolling(t, Options{})
	r.Set(Update{Env: []string{"X=1"}, Generation: 1})
	r.next(IsReady)
	r.Set(Update{Env: []string{"X=late"}, Generation: 2})
	r.says("start late", 1)
	r.Set(Update{Env: []string{"X=3"}, Generation: 3})
	if e := r.next(Stopped); e.Generation != 2 {
		t.Errorf("stopped: %+v", e)
	}
	if e := r.next(IsReady); e.Generation != 3 {
		t.Errorf("ready: %+v", e)
	}
	if e := r.next(Stopped); e.Generation != 1 {
		t.Errorf("stopped: %+v", e)
	}
}

// TestRollingOldOneEnds: the next one takes over though it is not ready yet.
func TestRollingOldOneEnds(t *testing.T) {
	r := rolling(t, Options{})
	r.Set(Update{Env: []string{"X=1"}, Generation: 1})
	old := r.next(IsReady).PID
	r.Set(Update{Env: []string{"X=late"}, Generation: 2})
	r.says("start late", 1)
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if e := r.next(Ended); e.PID != old {
		t.Errorf("ended: %+v", e)
	}
	eventually(t, "a successor", func() bool { return r.Signal(syscall.SIGUSR1) == nil })
	r.says("USR1", 1)
}

func TestReadiness(t *testing.T) {
	var status int
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if status++; status < 3 || !strings.HasPrefix(q.URL.Path, "/pid") || q.URL.Path == "/pid{pid}" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // who only connects is no news
	srv.StartTLS()
	defer srv.Close()
	out := t.TempDir() + "/"
	for name, c := range map[string]struct {
		ready  Ready
		script string
	}{
		"http":    {Ready{URL: srv.URL + "/pid{pid}"}, ""},
		"tcp":     {Ready{Address: srv.Listener.Addr().String()}, ""},
		"command": {Ready{Command: []string{"test", "{pid}", "=", "$VAULT_RENDERER_CHILD_PID"}}, "x"},
		"script":  {Ready{Command: []string{"test {pid} = $VAULT_RENDERER_CHILD_PID"}}, ""},
		"file":    {Ready{File: out + "{pid}.up"}, "echo >" + out + "$$.up;"},
		"notify":  {Ready{Notify: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.ready.Interval = 10 * time.Millisecond
			c.ready.Timeout = 5 * time.Second
			o := Options{Ready: &c.ready, Command: []string{c.script + app}}
			switch {
			case c.script == "x": // no shell: the variable is not expanded
				c.ready.Timeout, o.Command = 100*time.Millisecond, nil
			case c.ready.Notify:
				o.Command, o.Env = selfAs("notifies")
			}
			r := supervise(t, o)
			r.Set(Update{Generation: 1})
			if c.script == "x" {
				if e := r.next(Refused); !strings.Contains(e.Err.Error(), "not ready within 100ms") {
					t.Errorf("refused: %+v", e)
				}
				return
			}
			r.next(IsReady)
		})
	}
}

func TestOldFileIsNoReadiness(t *testing.T) {
	path := write(t, "")
	err := lookFile(path, time.Now().Add(time.Second))
	if err == nil || !strings.Contains(err.Error(), "older than the child") {
		t.Errorf("got %v", err)
	}
	if err := lookFile(path, time.Now().Add(-time.Minute)); err != nil {
		t.Error(err)
	}
}

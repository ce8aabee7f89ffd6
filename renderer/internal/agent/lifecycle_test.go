package agent

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vault-renderer/renderer/internal/config"
	"vault-renderer/testbed/capture"
	"vault-renderer/testbed/devvault"
)

// living runs f with an agent in real time on a Vault without sockets. The
// agent is started by f, and must leave nothing behind when it is stopped.
func living(t *testing.T, f func(w *world)) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	db := &devvault.Memory{}
	v := devvault.New(devvault.Options{Database: db})
	w := &world{t: t, vault: v, db: db, dir: t.TempDir(), log: &capture.Buffer{}}
	w.prepare(setup{})
	f(w)
	v.Close()
	goleak.VerifyNone(t, before)
	if text := w.log.String(); strings.Contains(text, "canary-") {
		t.Errorf("a secret in the log:\n%s", text)
	}
}

// ends stops the agent and checks that it takes no longer than a bound.
func (w *world) ends() {
	w.t.Helper()
	start := time.Now()
	w.end()
	select {
	case err := <-w.done:
		w.end = nil
		if err != nil {
			w.t.Errorf("Run ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		w.t.Fatal("Run does not return")
	}
	w.t.Logf("ended after %v", time.Since(start))
}

// until waits for a condition, with a deadline.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("%s did not come\n%s", what, w.log.String())
		}
	}
}

// hangs makes requests whose path has part hang until their context ends, and
// tells when one does.
func (w *world) hangs(part string) (hanging <-chan struct{}) {
	ch := make(chan struct{}, 100)
	w.vault.SetFault(func(r *http.Request) (int, bool) {
		if !strings.Contains(r.URL.Path, part) {
			return 0, false
		}
		ch <- struct{}{}
		<-r.Context().Done()
		return 0, true
	})
	return ch
}

// processes gives the numbers of the living processes whose command line holds
// mark.
func processes(t *testing.T, mark string) (found []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if raw, err := os.ReadFile(p); err == nil && bytes.Contains(raw, []byte(mark)) {
			found = append(found, filepath.Base(filepath.Dir(p)))
		}
	}
	return found
}

// TestInvariantI5 is I5: Run returns only after its goroutines and children
// ended, wherever it is stopped, and soon.
func TestInvariantI5(t *testing.T) {
	t.Run("quiet", func(t *testing.T) {
		living(t, func(w *world) {
			w.template("db", dbTemplate)
			w.start()
			w.until("the file", func() bool { return w.alive("db") })
			w.ends()
		})
	})
	t.Run("hook", func(t *testing.T) {
		living(t, func(w *world) {
			mark := fmt.Sprintf("mark-%d-%d", os.Getpid(), time.Now().UnixNano())
			// A child and a grandchild, both deaf to anything but a kill.
			script := "trap '' TERM INT HUP; sleep 100 & echo $! > " + w.path("running") + "; wait; sleep 100; : " + mark
			w.template("db", dbTemplate).Exec = &config.Exec{Timeout: time.Hour, Command: []string{"sh", "-c", script}}
			w.start()
			w.until("the hook", func() bool { return strings.HasSuffix(w.file("running"), "\n") })
			if len(processes(t, mark)) == 0 {
				t.Error("the hook is not seen")
			}
			w.ends()
			// One that was just forked has the hook's command line still; killed
			// with the group, it takes a moment to go.
			w.until("the end of all", func() bool { return len(processes(t, mark)) == 0 })
			grandchild := "/proc/" + strings.TrimSpace(w.file("running")) + "/cmdline"
			w.until("the grandchild's end", func() bool { // killed, whether or not somebody has reaped it
				raw, _ := os.ReadFile(grandchild)
				return len(raw) == 0
			})
		})
	})
	t.Run("login", func(t *testing.T) {
		living(t, func(w *world) {
			hanging := w.hangs("/login")
			w.template("db", dbTemplate)
			w.start()
			<-hanging
			w.ends()
		})
	})
	t.Run("fetch", func(t *testing.T) {
		living(t, func(w *world) {
			hanging := w.hangs("/creds/")
			for i := range 20 {
				w.template(fmt.Sprint("db", i), dbTemplate)
			}
			w.start()
			<-hanging
			w.ends()
		})
	})
	t.Run("mount look-up", func(t *testing.T) {
		living(t, func(w *world) {
			hanging := w.hangs("/mounts/")
			for i := range 20 { // more than may ask at once
				w.template(fmt.Sprint("kv", i), fmt.Sprintf(`{{ with secret "kv/app/%d" }}x{{ end }}`, i))
			}
			w.start()
			<-hanging
			w.ends()
		})
	})
	t.Run("backoff", func(t *testing.T) {
		living(t, func(w *world) {
			w.vault.SetFault(func(*http.Request) (int, bool) { return 500, true })
			w.template("db", dbTemplate)
			w.start()
			w.until("the failure", func() bool { return w.logged("Vault does not answer") > 0 })
			w.ends()
		})
	})
	t.Run("at once", func(t *testing.T) {
		living(t, func(w *world) {
			w.template("db", dbTemplate)
			w.start()
			w.ends()
		})
	})
	t.Run("one shot", func(t *testing.T) {
		living(t, func(w *world) {
			w.cfg.ExitAfterAuth = true
			w.template("db", dbTemplate).Exec = &config.Exec{Timeout: time.Hour, Command: []string{"true"}}
			w.start()
			if err := <-w.done; err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("failure", func(t *testing.T) {
		living(t, func(w *world) {
			w.cfg.ExitAfterAuth = true
			w.cfg.Vault.NumRetries = 0
			w.template("db", dbTemplate)
			w.template("denied", `{{ with secret "kv/other/x" }}{{ end }}`)
			w.start()
			if err := <-w.done; err == nil {
				t.Error("success")
			}
		})
	})
}

// A hook that is not awaited (timeout = 0) belongs to nobody: it lives on, as
// under Vault Agent, but what Run started to reap it must not keep Run.
func TestHookThatIsNotAwaited(t *testing.T) {
	db := &devvault.Memory{}
	v := devvault.New(devvault.Options{Database: db})
	defer v.Close()
	w := &world{t: t, vault: v, db: db, dir: t.TempDir(), log: &capture.Buffer{}}
	w.prepare(setup{})
	w.template("db", dbTemplate).Exec = &config.Exec{Timeout: 0, Command: []string{"sh", "-c", "echo $$ > " + w.path("pid") + "; exec sleep 100"}}
	w.start()
	w.until("the hook", func() bool { return strings.HasSuffix(w.file("pid"), "\n") })
	w.ends()
	var pid int
	if _, err := fmt.Sscan(w.file("pid"), &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("it was ended with the agent: %v", err)
	}
	w.until("its end", func() bool { return syscall.Kill(pid, 0) != nil }) // reaped
}

// New without Run holds nothing: a reload that is refused leaves no trace.
func TestNewHoldsNothing(t *testing.T) {
	living(t, func(w *world) {
		w.template("db", dbTemplate)
		for range 3 {
			a, diags := New(Options{Config: w.cfg, Log: slog.New(slog.DiscardHandler), Transport: w.vault.Transport()})
			if a == nil || diags.HasErrors() {
				t.Fatal(diags)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		a, _ := New(Options{Config: w.cfg, Log: slog.New(slog.DiscardHandler), Transport: w.vault.Transport()})
		if err := a.Run(ctx); err != nil {
			t.Errorf("a context that has ended: %v", err)
		}
	})
}

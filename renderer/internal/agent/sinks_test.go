package agent

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/config"
)

// A sink with wrap_ttl never holds the bare token, its wrapping token unwraps
// to the agent's, and a reload does not make another one.
func TestWrappedSink(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		w.cfg.AutoAuth.Sinks = []config.Sink{
			{Path: w.path("bare"), Mode: 0o600, Owner: -1, Group: -1},
			{Path: w.path("wrapped"), Mode: 0o600, Owner: -1, Group: -1, WrapTTL: time.Hour},
		}
		w.load = w.same
		w.start()
		synctest.Wait()
		first := w.file("wrapped")
		w.agent.Reload()
		time.Sleep(time.Second)
		synctest.Wait()
		if w.file("wrapped") != first {
			t.Error("a reload wrote another wrapping token")
		}
		var info struct {
			Token        string
			TTL          int
			CreationPath string `json:"creation_path"`
		}
		if err := json.Unmarshal([]byte(first), &info); err != nil || info.TTL != 3600 || info.CreationPath != "sys/wrapping/wrap" {
			t.Fatalf("%+v, %v", info, err)
		}
		if got := w.as(info.Token, "sys/wrapping/unwrap")["token"]; got != w.file("bare") {
			t.Error("it does not unwrap to the token")
		}
	})
}

// With method.wrap_ttl the sink gets what unwraps the login, and nothing more
// is asked of Vault.
func TestWrappedLogin(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		w.cfg.AutoAuth.Method.WrapTTL = 5 * time.Minute
		w.cfg.AutoAuth.Sinks = []config.Sink{{Path: w.path("token"), Mode: 0o600, Owner: -1, Group: -1}}
		w.start()
		synctest.Wait()
		w.vault.ResetRequests()
		time.Sleep(4 * time.Minute)
		if n := w.asked(""); n != 0 {
			t.Errorf("%d requests after the login: %v", n, w.vault.Requests())
		}
		if !strings.Contains(w.file("token"), `"creation_path":"auth/approle/login"`) {
			t.Errorf("the sink lacks the creation path")
		}
	})
	bubble(t, setup{}, func(w *world) {
		w.cfg.AutoAuth.Method.WrapTTL = 5 * time.Minute
		w.template("x", "x")
		if _, diags := New(w.options()); !diags.HasErrors() || !strings.Contains(diags.Error(), "Wrapped login with templates") {
			t.Errorf("%v", diags)
		}
	})
}

// A failing sink does not hold up the others, nor the templates; a one-shot run
// waits for it.
func TestFailingSink(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		w.cfg.ExitAfterAuth = true
		w.cfg.AutoAuth.Sinks = []config.Sink{
			{Path: w.path("wrapped"), Mode: 0o600, Owner: -1, Group: -1, WrapTTL: time.Hour},
			{Path: w.path("bare"), Mode: 0o600, Owner: -1, Group: -1},
		}
		w.template("db", dbTemplate)
		w.vault.SetFault(func(r *http.Request) (int, bool) { return 503, strings.HasSuffix(r.URL.Path, "/wrap") })
		w.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		if w.file("bare") == "" || !w.alive("db") {
			t.Errorf("%s", w.log.String())
		}
		select {
		case err := <-w.done:
			t.Errorf("ended without the sink: %v", err)
			w.done <- err
		default:
		}
		w.vault.SetFault(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		select {
		case err := <-w.done:
			if err != nil {
				t.Error(err)
			}
			w.done <- err
		default:
			t.Error("still running")
		}
	})
}

package agent

import (
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/config"
)

// A file that somebody else changes or removes is written again; one that is as
// it was is left alone, and its template is not executed.
func TestSpoiledFileIsRestored(t *testing.T) {
	bubble(t, setup{leaseTTL: "24h", leaseMax: "48h"}, func(w *world) {
		w.template("db", dbTemplate)
		w.template("fixed", "fixed")
		w.start()
		synctest.Wait()
		good := w.file("db")
		for name, spoil := range map[string]func(){
			"changed": func() { w.write("db", "canary-spoiled") },
			"removed": func() { _ = os.Remove(w.path("db")) },
			"fixed":   func() { w.write("fixed", "no") },
		} {
			spoil()
			time.Sleep(6 * time.Minute)
			synctest.Wait()
			if w.file("db") != good || w.file("fixed") != "fixed" {
				t.Errorf("%s: not restored", name)
			}
		}
		runs := w.agent.plan.units[0].runs
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := w.agent.plan.units[0].runs - runs; n != 0 {
			t.Errorf("executed %d times for nothing", n)
		}
		if n := w.logged("somebody else changed or removed the file"); n != 3 {
			t.Errorf("said %d times", n)
		}
	})
}

// Hooks run in the order of their templates, one after the other; one that
// fails or hangs does not keep the others from running.
func TestHooksKeepTheirOrder(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		names := strings.Split("f c g a b e d", " ")
		for _, n := range names {
			script := "echo " + n + " >> " + w.path("done")
			if n == "c" {
				script += "; exit 1"
			}
			w.template(n, n).Exec = &config.Exec{Timeout: time.Minute, Command: []string{"sh", "-c", script}}
		}
		w.start()
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		if got := strings.Fields(w.file("done")); strings.Join(got, " ") != strings.Join(names, " ") {
			t.Errorf("ran %v", got)
		}
	})
}

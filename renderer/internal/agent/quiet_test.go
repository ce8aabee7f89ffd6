package agent

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/lease"
)

// wait holds back later renders while secrets change, never the first, and
// never longer than max.
func TestWait(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		w.cfg.TemplateConfig.StaticSecretRenderInterval = 10 * time.Second
		version := 0
		change := func() {
			version++
			w.put("kv/data/app/x", map[string]any{"data": map[string]any{"v": fmt.Sprint(version)}})
		}
		change()
		const contents = `{{ with secret "kv/app/x" }}{{ .Data.data.v }}{{ end }}`
		w.template("now", contents)
		w.template("later", contents).Wait = &config.Wait{Min: 15 * time.Second, Max: time.Minute}
		w.start()
		synctest.Wait()
		if w.file("later") != "1" {
			t.Fatalf("the first render is held back: %q", w.file("later"))
		}
		// A change that stays alone is written after min.
		change()
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if w.file("now") != "2" || w.file("later") != "1" {
			t.Errorf("now %q, later %q", w.file("now"), w.file("later"))
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if w.file("later") != "2" {
			t.Errorf("later %q after min", w.file("later"))
		}
		// With a change every ten seconds it is max that counts.
		began, wrote := time.Now(), 0
		for time.Since(began) < 3*time.Minute {
			change()
			before := w.file("later")
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if w.file("later") != before {
				wrote++
			}
		}
		if wrote < 2 || wrote > 3 {
			t.Errorf("written %d times in three minutes of changes", wrote)
		}
	})
}

// A wait never costs the credentials: the old ones are replaced in the file
// while they still live.
func TestWaitEndsBeforeTheLease(t *testing.T) {
	bubble(t, setup{leaseTTL: "30s", leaseMax: "1m"}, func(w *world) {
		w.template("db", dbTemplate).Wait = &config.Wait{Min: time.Hour, Max: 4 * time.Hour}
		w.start()
		for range 600 {
			time.Sleep(time.Second)
			synctest.Wait()
			if !w.alive("db") {
				t.Fatalf("the credentials in the file are dead\n%s", w.log.String())
			}
		}
	})
}

func TestQuietHold(t *testing.T) {
	now := time.Now()
	var q quiet
	w := &config.Wait{Min: 5 * time.Second, Max: 12 * time.Second}
	for i, want := range []time.Duration{5, 9, 12, 12} {
		q.hold(w, lease.Lease{}, now.Add(time.Duration(4*i)*time.Second))
		if got := q.until.Sub(now); got != want*time.Second {
			t.Errorf("change %d: until %v", i, got)
		}
	}
}

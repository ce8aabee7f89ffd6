package agent

import (
	"testing"
	"testing/synctest"
	"time"
)

// Templates whose secrets depend on other secrets come to an end, and ask for
// each secret once.
func TestTemplatesConverge(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		kv := func(name string, data map[string]any) { w.put("kv/data/app/"+name, map[string]any{"data": data}) }
		w.put("sys/policies/acl/app", map[string]any{"policy": `path "kv/*" { capabilities = ["read", "list"] }`})
		kv("first", map[string]any{"next": "second"})
		kv("second", map[string]any{"next": "third"})
		kv("third", map[string]any{"v": "canary-end"})
		kv("list/a", map[string]any{"v": "canary-a"})
		kv("list/b", map[string]any{"v": "canary-b"})
		w.template("chain", `{{ with secret "kv/app/first" }}{{ with secret (print "kv/app/" .Data.data.next) }}{{ with secret (print "kv/app/" .Data.data.next) }}{{ .Data.data.v }}{{ end }}{{ end }}{{ end }}`)
		w.template("range", `{{ range secrets "kv/app/list" }}{{ . }}={{ with secret (print "kv/app/list/" .) }}{{ .Data.data.v }}{{ end }};{{ end }}`)
		w.template("define", `{{ define "x" }}{{ with secret . }}{{ .Data.data.v }}{{ end }}{{ end }}{{ executeTemplate "x" "kv/app/third" }}`)
		w.start()
		synctest.Wait()
		for name, want := range map[string]string{"chain": "canary-end", "range": "a=canary-a;b=canary-b;", "define": "canary-end"} {
			if got := w.file(name); got != want {
				t.Errorf("%s: %q, want %q\n%s", name, got, want, w.log.String())
			}
		}
		for _, path := range []string{"first", "second", "third", "list/a", "list/b"} {
			if n := w.asked("kv/data/app/" + path); n != 1+1 { // one put, one read
				t.Errorf("%s was asked for %d times", path, n-1)
			}
		}
	})
}

// What a template no longer uses is let go: its watcher ends, its lease is not
// renewed any more.
func TestUnusedSecretIsDropped(t *testing.T) {
	bubble(t, setup{leaseTTL: "1m", leaseMax: "24h"}, func(w *world) {
		flag := func(v string) { w.put("kv/data/app/flag", map[string]any{"data": map[string]any{"use": v}}) }
		flag("yes")
		w.template("db", `{{ with secret "kv/app/flag" }}{{ if eq .Data.data.use "yes" }}{{ with secret "database/creds/app" }}{{ .Data.username }} {{ .Data.password }}{{ end }}{{ end }}{{ end }}`)
		w.start()
		synctest.Wait()
		if !w.alive("db") {
			t.Fatalf("%s", w.log.String())
		}
		flag("no")
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		w.vault.ResetRequests()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := len(w.db.Users()); n != 0 || w.asked("leases/renew") != 0 || w.asked("creds") != 0 || len(w.agent.entries) != 1 {
			t.Errorf("%d accounts, %d entries, asked %v", n, len(w.agent.entries), w.vault.Requests())
		}
	})
}

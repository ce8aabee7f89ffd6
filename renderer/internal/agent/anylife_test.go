package agent

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"vault-renderer/renderer/internal/config"
)

// TestAnyLife runs agent and application through random mishaps, crashes and
// restarts. Whatever comes in whatever order: files are whole (I1), what the
// application uses is alive unless somebody else ended it (I2), accounts don't
// pile up, and left in peace everything is well again.
func TestAnyLife(t *testing.T) {
	// A life takes a quarter of a second: fewer of them than rapid's hundred,
	// unless another number was asked for.
	if n := flag.Lookup("rapid.checks"); n.Value.String() == n.DefValue {
		defer n.Value.Set(n.DefValue)
		_ = n.Value.Set("12")
	}
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(inMemory(), "life-")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		var failure any // rapid's own, which must not end the bubble's goroutine
		synctest.Test(t, func(t *testing.T) {
			defer func() { failure = recover() }()
			l := newLife(t, rt, dir)
			defer l.w.vault.Close()
			defer l.w.stop()
			defer func() {
				for _, f := range l.w.after {
					f()
				}
			}()
			for range rapid.IntRange(5, 25).Draw(rt, "events") {
				l.mishap(rapid.SampledFrom(l.names).Draw(rt, "event"))
				l.watch(time.Duration(rapid.IntRange(1, 90).Draw(rt, "seconds")) * time.Second)
			}
			l.settles()
		})
		if failure != nil {
			panic(failure)
		}
	})
}

// inMemory is where writing is quick; "" = anywhere.
func inMemory() string {
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		return "/dev/shm"
	}
	return ""
}

// life is one run with all that befalls it.
type life struct {
	rt      *rapid.T
	w       *world
	app     *application
	names   []string
	trouble time.Time // until then dead credentials are somebody else's doing
	away    bool
	version int
	ended   map[string]bool // users whose credentials somebody else may have ended
}

func newLife(t *testing.T, rt *rapid.T, dir string) *life {
	w := newWorld(t, dir)
	w.prepare(setup{leaseTTL: "2m", leaseMax: "5m", tokenTTL: "10m", tokenMax: "20m"})
	w.stateful()
	w.cfg.Leases.OwnToken = rapid.Bool().Draw(rt, "own_token")
	w.allow(revokeLeases + "\n" + `path "auth/token/create" { capabilities = ["update"] }`)
	w.put("kv/data/app/a", map[string]any{"data": map[string]any{"k": "canary-0"}})
	w.template("db", dbTemplate)
	w.template("more", dbTemplate+`{{ with secret "kv/app/a" }} {{ .Data.data.k }}{{ end }}`)
	l := &life{rt: rt, w: w, ended: map[string]bool{}, names: []string{"still", "talks", "value", "lease revoked", "token revoked", "away", "back", "restart", "crash", "reload", "file spoiled"}}
	l.app = w.acking(config.Rollout{Grace: 2 * time.Second}, "db")
	w.cfg.AutoAuth.Sinks = []config.Sink{{Path: w.path("token"), Mode: 0o600}}
	w.load = w.same
	w.start()
	l.watch(10 * time.Second)
	return l
}

// mishap does one thing to the run. What ends credentials from outside gives
// the agent as long as it takes to notice: to the next look-up, and a hand-over.
func (l *life) mishap(name string) {
	const notice = 35 * time.Second
	switch w := l.w; name {
	case "still", "talks":
		l.app.still.Store(name == "still")
		l.blame(notice) // it may have kept what it had until that was over
	case "value":
		l.version++
		w.put("kv/data/app/a", map[string]any{"data": map[string]any{"k": fmt.Sprint("canary-", l.version)}})
	case "lease revoked":
		w.put("sys/leases/revoke-prefix/database/creds/app", nil)
		l.blame(notice)
	case "token revoked":
		if token := w.file("token"); token != "" {
			w.callAs(w.vault.RootToken(), "PUT", "auth/token/revoke", map[string]any{"token": token})
		}
		l.blame(notice)
	case "away", "back":
		l.away = name == "away"
		w.away(l.away)
		l.blame(notice)
	case "restart":
		if err := w.stop(); err != nil {
			l.rt.Error(err)
		}
		w.start()
	case "crash":
		synctest.Wait()
		w.crash()
		w.start()
	case "reload":
		w.agent.Reload()
	case "file spoiled":
		w.write("more", "spoiled")
	}
}

// blame notes that somebody else may have ended what is in use now.
func (l *life) blame(notice time.Duration) {
	l.trouble = time.Now().Add(notice)
	for _, u := range l.w.db.Users() {
		l.ended[u] = true
	}
}

// watch checks every second what must hold.
func (l *life) watch(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second) {
		synctest.Wait()
		if l.away || time.Now().Before(l.trouble) {
			continue
		}
		for _, f := range []string{"db", "ack.uses"} {
			user, _, _ := strings.Cut(l.w.file(f), " ")
			if user != "" && !l.w.alive(f) && !(f == "ack.uses" && (l.ended[user] || l.app.still.Load())) {
				l.rt.Fatalf("%s holds dead credentials\n%s", f, l.w.log.String())
			}
		}
		if user, _, _ := strings.Cut(l.w.file("more"), " "); user != "" && l.w.file("more") != "spoiled" && !strings.HasPrefix(l.w.file("db"), user) {
			l.rt.Fatalf("the files are of two generations\n%s", l.w.log.String())
		}
		if n := len(l.w.db.Users()); n > 3 {
			l.rt.Fatalf("%d accounts\n%s", n, l.w.log.String())
		}
	}
}

// settles leaves the run in peace, and wants it well.
func (l *life) settles() {
	l.mishap("back")
	l.mishap("talks")
	time.Sleep(11 * time.Minute) // the longest pause between tries, and a round
	l.trouble = time.Time{}
	l.watch(time.Minute)
	if r := l.w.report(); !r.Ready {
		l.rt.Fatalf("not well: %v\n%s", r.Reasons, l.w.log.String())
	}
	for i := 0; len(l.w.db.Users()) != 1; i++ { // but for a rotation under way
		if time.Sleep(time.Second); i > 60 {
			l.rt.Fatalf("%d accounts are left\n%s", len(l.w.db.Users()), l.w.log.String())
		}
	}
	if n := l.w.hidden(); n != 0 {
		l.rt.Fatalf("%d hidden files are left\n%s", n, l.w.log.String())
	}
	if text := l.w.log.String(); strings.Contains(text, "canary-") {
		l.rt.Fatalf("a secret in the log\n%s", text)
	}
}

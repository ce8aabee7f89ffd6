package e2e

import (
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// TestSoak runs the system for SOAK_MINUTES (a third of a minute without it)
// at lives of seconds, while one small thing after another happens. No request
// may fail, and neither program may grow.
func TestSoak(t *testing.T) {
	t.Parallel()
	r := start(t, setup{limits: limits{10 * time.Second, 20 * time.Second, 4 * time.Second, 8 * time.Second}})
	began := time.Now()
	end := began.Add(soakTime(t))
	r.load()
	r.rotations(2, 30*time.Second)
	before := []int{rss(t, r.renderer), rss(t, r.web)}
	seed := uint64(began.UnixNano())
	t.Logf("seed %d", seed)
	events := rand.New(rand.NewPCG(seed, 1))
	for n := 1; time.Now().Before(end); n++ {
		r.disturb(events.IntN(4))
		r.rotations(1, 30*time.Second)
		if most := r.accounts(); most > 4 {
			t.Errorf("%d accounts at once", most)
		}
		if fs := r.failures.since(began); len(fs) > 0 {
			t.Fatalf("after %d disturbances: %d requests failed, the first with %s", n, len(fs), fs[0].text)
		}
	}
	for i, p := range []*process{r.renderer, r.web} {
		if now := rss(t, p); now > before[i]*3/2+8<<10 {
			t.Errorf("%s grew from %d to %d KiB", p.cmd.Path, before[i], now)
		}
	}
	r.noAccountsLeft(30 * time.Second)
	r.noFailures(began)
	t.Logf("%d requests, none failed", r.requests.Load())
}

func soakTime(t *testing.T) time.Duration {
	t.Helper()
	v := os.Getenv("SOAK_MINUTES")
	if v == "" {
		return 20 * time.Second
	}
	m, err := strconv.ParseFloat(v, 64)
	if err != nil {
		t.Fatalf("SOAK_MINUTES: %v", err)
	}
	return time.Duration(m * float64(time.Minute))
}

// disturb does something that nobody may notice.
func (r *rig) disturb(kind int) {
	r.t.Helper()
	switch kind {
	case 0: // Vault is sealed for a moment
		if err := r.vault.Seal(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
		if err := r.vault.Unseal(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
	case 1: // the configuration is read again
		if err := r.renderer.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			r.t.Fatal(err)
		}
	case 2: // somebody touches the file
		path := r.dir + "/run/config.ini"
		if err := os.Chtimes(path, time.Now(), time.Now()); err != nil {
			r.t.Fatal(err)
		}
	}
}

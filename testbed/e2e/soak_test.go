package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSoak runs the system for SOAK_MINUTES (a third of a minute without it)
// at lives of seconds, while one small thing after another happens. No request
// may fail, and neither program may grow.
func TestSoak(t *testing.T) {
	r := start(t, limits{tokenTTL: 10 * time.Second, tokenMax: 20 * time.Second, leaseTTL: 4 * time.Second, leaseMax: 8 * time.Second, tableGrants: true})
	began := time.Now()
	end := began.Add(soakTime(t))
	r.load(clients)
	r.rotations(2, 30*time.Second)
	before := []int{rss(t, r.renderer), rss(t, r.web)}
	seed := uint64(began.UnixNano())
	t.Logf("seed %d", seed)
	events := rand.New(rand.NewPCG(seed, 1))
	for n := 1; time.Now().Before(end); n++ {
		r.disturb(events.IntN(4))
		r.rotations(1, 30*time.Second)
		if most := r.ownUsers(); most > 4 {
			t.Errorf("%d accounts at once", most)
		}
		if first, now := r.failures.since(began); first > 0 {
			t.Fatalf("after %d disturbances: %d requests failed, the first with %s", n, first, now)
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
		if err := servers.vault.Seal(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
		if err := servers.vault.Unseal(r.t.Context()); err != nil {
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

// rss is a process's resident memory in KiB.
func rss(t *testing.T, p *process) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

package kills

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// fewKills is how many a campaign has unless KILLS says otherwise.
const fewKills = 16

// TestKills: the renderer is killed at random moments of its rotations, and
// nobody notices.
func TestKills(t *testing.T) {
	r := start(t, true)
	k := campaign(t, r, int(number(t, "KILLS", fewKills)), moments(tokenAsked))
	forgotten := r.leave()
	for _, c := range r.census.crowds(forgotten) {
		t.Error(c)
	}
	report(t, r, k, forgotten)
}

// TestSoakKillsSharedToken: without a token of its own a lease whose answer a
// crash swallowed can't be ended by anybody, so its account lives until it
// lapses. How many that makes is said, not judged; all else holds as well.
func TestSoakKillsSharedToken(t *testing.T) {
	kills := int(number(t, "KILLS", 0)) / 2
	r := start(t, false)
	k := campaign(t, r, max(kills, 2), moments())
	forgotten := r.leave()
	crowds := r.census.crowds(forgotten)
	t.Logf("more than %d accounts: %d times %v", atMost, len(crowds), crowds)
	report(t, r, k, forgotten)
}

// campaign kills so often, and checks what holds all along.
func campaign(t *testing.T, r *rig, kills int, moments []moment) *killer {
	t.Helper()
	quiet := len(r.web.String()) // it said already that it has no credentials yet
	seed := number(t, "KILLS_SEED", uint64(time.Now().UnixNano()))
	t.Logf("KILLS_SEED=%d", seed)
	k := &killer{
		rand: rand.New(rand.NewPCG(seed, 1)), moments: moments, trigger: &r.trigger, renderer: r.renderer, reader: r.all,
		log: &r.log, by: map[moment]int{},
	}
	for n := 1; n <= kills && !t.Failed(); n++ {
		k.kill(t, k.next())
	}
	eventually(t, "the renderer is ready after the last kill", 10*time.Second, func() bool { return r.renderer.phase().ready })
	if n := r.load.failed.Load(); n > 0 {
		t.Errorf("%d of %d requests failed", n, r.load.requests.Load())
	}
	if n := r.audit.figures().logins; n != 1 {
		t.Errorf("%d logins: a restart has to go on with the token", n)
	}
	if k.mostHidden > 2*len(files())+2 { // each staged and kept, and a state
		t.Errorf("%d hidden files at once: they pile up", k.mostHidden)
	}
	for _, bad := range []string{"database error", "new credentials not in use", "no credentials"} {
		if strings.Contains(r.web.String()[quiet:], bad) {
			t.Errorf("the application logged %q", bad)
		}
	}
	return k
}

package web

import (
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"vault-renderer/webapp/credfile"
	"vault-renderer/webapp/dbpool"
)

// TestRefusedIsRetriedWithBackoff needs a server's own error, and only dbpool
// may make one: so a real refusal is taken once, outside of the fake time.
func TestRefusedIsRetriedWithBackoff(t *testing.T) {
	db, _ := startDB(t)
	pool, err := dbpool.Open(dbpool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	host, port, _ := net.SplitHostPort(db.Addr())
	n, _ := strconv.Atoi(port)
	refused := pool.Use(t.Context(), dbpool.Config{Host: host, Port: n, User: "v-x", Password: "canary-x"})
	if dbpool.ErrorNumber(refused) != 1045 {
		t.Fatal(refused)
	}

	inBubble(t, func(a *App, p *fakePool) {
		began := time.Now()
		p.set(refused)
		a.Offer(credfile.Creds{User: "v-x", Digest: "d1"}, nil)
		time.Sleep(2 * time.Minute)
		var at []time.Duration
		for _, try := range p.tried() {
			at = append(at, try.Sub(began)/time.Second)
		}
		if want := []time.Duration{0, 1, 3, 7, 15, 31, 61, 91}; !slices.Equal(at, want) {
			t.Errorf("tries at %v s, want %v", at, want)
		}
		if got := a.state.Load().notReady(); got != `new credentials refused: error 1045 for user "v-x"` {
			t.Error(got)
		}
		p.set(nil)
		time.Sleep(lastRetry)
		if got := a.state.Load(); got.digest != "d1" || got.notReady() != "" {
			t.Errorf("%+v", got)
		}
	})
}

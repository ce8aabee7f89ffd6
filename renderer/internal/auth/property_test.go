package auth_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"vault-renderer/renderer/internal/auth"
	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// tokens is a Vault that knows tokens and their lives.
type tokens struct {
	mu        sync.Mutex
	ttl, most time.Duration
	renewable bool
	away      bool
	all       map[string]*given
	asked     int
}

type given struct{ expires, most time.Time }

func (v *tokens) live(name string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	g := v.all[name]
	return g != nil && time.Now().Before(g.expires)
}

// grant gives a token another life.
func (v *tokens) grant(g *given) lease.Lease {
	now := time.Now()
	g.expires = now.Add(v.ttl)
	if g.expires.After(g.most) {
		g.expires = g.most
	}
	return lease.Lease{TTL: g.expires.Sub(now).Truncate(time.Second), Renewable: v.renewable, IssuedAt: now}
}

// Login implements auth.Method.
func (v *tokens) Login(context.Context) (*vault.Auth, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked++
	if v.away {
		return nil, &vault.Error{Op: "log in at", Class: vault.Transient}
	}
	name := fmt.Sprint("canary-token-", len(v.all))
	g := &given{most: time.Now().Add(v.most)}
	v.all[name] = g
	return &vault.Auth{ClientToken: vault.NewToken(name), TTL: v.grant(g)}, nil
}

func (v *tokens) RoundTrip(r *http.Request) (*http.Response, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked++
	g := v.all[r.Header.Get("X-Vault-Token")]
	status, body := 200, ""
	switch {
	case v.away:
		status, body = 503, `{"errors":["Vault is sealed"]}`
	case g == nil || !time.Now().Before(g.expires):
		status, body = 403, `{"errors":["permission denied","invalid token"]}`
	case strings.HasSuffix(r.URL.Path, "renew-self") && !v.renewable:
		status, body = 400, `{"errors":["lease is not renewable"]}`
	case strings.HasSuffix(r.URL.Path, "renew-self"):
		body = fmt.Sprintf(`{"auth":{"client_token":"x","lease_duration":%d,"renewable":true}}`, int(v.grant(g).TTL.Seconds()))
	default:
		body = fmt.Sprintf(`{"data":{"ttl":%d,"renewable":%v}}`, int(time.Until(g.expires).Seconds()), v.renewable)
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprint(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}

// played is one run: what becomes of the token, and for how long.
type played struct {
	what string // "nothing", "away", "revoke", "shorten", "check"
	d    time.Duration
}

// Whatever becomes of a token, while Vault answers there is one in use that
// lives, a moment after the start, after Vault is back, and after the next
// look-up when it was revoked; it has a life to come; and Vault is not flooded.
func TestAnyLife(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		v := &tokens{all: map[string]*given{}}
		v.ttl = time.Duration(rapid.IntRange(6, 4000).Draw(rt, "ttl")) * time.Second
		v.most = v.ttl * time.Duration(rapid.IntRange(1, 20).Draw(rt, "max"))
		v.renewable = rapid.Bool().Draw(rt, "renewable")
		resumes := rapid.SampledFrom([]string{"", "good", "dead"}).Draw(rt, "resume")
		random := rapid.SliceOfN(rapid.Float64Range(0, 0.999), 1, 8).Draw(rt, "rand")
		script := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) played {
			return played{
				rapid.SampledFrom([]string{"nothing", "away", "revoke", "shorten", "check"}).Draw(rt, "what"),
				time.Duration(rapid.IntRange(1, 3000).Draw(rt, "d")) * time.Second,
			}
		}), 1, 12).Draw(rt, "script")
		problem := ""
		synctest.Test(t, func(t *testing.T) { problem = play(t, v, resumes, random, script) })
		if problem != "" {
			rt.Fatalf("%s; ttl %v, max %v, renewable %v", problem, v.ttl, v.most, v.renewable)
		}
	})
}

// play gives what went wrong, "" = nothing.
func play(t *testing.T, v *tokens, resumes string, random []float64, script []played) (problem string) {
	client, err := vault.New(vault.Options{Address: "http://vault", Transport: v})
	if err != nil {
		t.Fatal(err)
	}
	i, n := 0, uint64(0)
	o := auth.Options{
		Client: client, Method: v, Log: slog.New(slog.DiscardHandler), Number: func() uint64 { n++; return n },
		Policy: lease.Policy{Rand: func() float64 { i++; return random[i%len(random)] }},
	}
	if resumes != "" {
		o.Resume, _ = v.Login(t.Context())
		if resumes == "dead" {
			v.all["canary-token-0"].expires = time.Now()
		}
	}
	k := auth.New(o)
	ctx, cancel := context.WithCancel(t.Context())
	out, done := make(chan auth.Event), make(chan struct{})
	var mu sync.Mutex
	inUse := ""
	go func() {
		defer close(done)
		_ = k.Run(ctx, out)
	}()
	go func() {
		for {
			select {
			case e := <-out:
				if e.Session != nil {
					mu.Lock()
					inUse = e.Token.Reveal()
					mu.Unlock()
				}
			case <-done:
				return
			}
		}
	}()
	defer func() { cancel(); <-done }()
	look := min(max(v.ttl/10, 10*time.Second), 5*time.Minute) + 3*time.Second
	lives := func(after string) string {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if !v.live(inUse) {
			return fmt.Sprintf("%s: the token in use (%s) is dead", after, inUse)
		}
		return ""
	}
	time.Sleep(time.Second)
	problem = lives("at the start")
	for at := 0; at < len(script) && problem == ""; at++ {
		problem = act(v, k, script[at], look, func(what string) string { return lives(fmt.Sprint(at, " ", what)) },
			func() string { mu.Lock(); defer mu.Unlock(); return inUse })
	}
	return problem
}

// act does one thing, and looks every few seconds afterwards.
func act(v *tokens, k *auth.Keeper, p played, look time.Duration, lives func(string) string, inUse func() string) (problem string) {
	v.mu.Lock()
	asked, began := v.asked, time.Now()
	g := v.all[inUse()]
	pause := time.Duration(0) // until all has to be well
	switch p.what {
	case "away":
		v.away = true
	case "revoke":
		g.expires, pause = time.Now(), look
	case "shorten":
		if left := time.Until(g.expires); left > 2*look+10*time.Second {
			g.expires = time.Now().Add(left / 2)
			g.most = g.expires
		}
	}
	v.mu.Unlock()
	if p.what == "check" {
		k.Check()
	}
	if p.what == "away" {
		time.Sleep(p.d)
		v.mu.Lock()
		v.away = false
		v.mu.Unlock()
		pause = 16 * time.Second // the longest pause between tries
	}
	time.Sleep(pause)
	const step = 7 * time.Second
	for range p.d/step + 1 {
		if problem = lives(p.what); problem != "" {
			return problem
		}
		time.Sleep(step)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if took := time.Since(began); v.asked-asked > 20+int(took/time.Second) {
		return fmt.Sprintf("%s: %d requests in %v", p.what, v.asked-asked, took)
	}
	return ""
}

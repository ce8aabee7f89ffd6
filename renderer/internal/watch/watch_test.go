package watch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
	"vault-renderer/renderer/internal/watch"
)

// server is a Vault of one secret whose every answer the test decides.
type server struct {
	mu    sync.Mutex
	start time.Time
	asked []ask
	read  func() (int, string)
	renew func() (int, string)
	head  http.Header
	other map[string]func() (int, string) // answers at other paths; none = 403
}

// ask is one request, and when it came.
type ask struct {
	what  string
	at    time.Duration
	token string
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	status, body := 403, `{"errors":["no mounts"]}`
	h := http.Header{}
	switch {
	case r.URL.Path == "/v1/sys/leases/renew":
		s.note("renew", r)
		status, body = s.renew()
	case s.other[r.URL.Path[len("/v1/"):]] != nil:
		what := r.URL.Path[len("/v1/"):]
		s.note(what, r)
		status, body = s.other[what]()
	case !strings.HasPrefix(r.URL.Path, "/v1/sys/") && !strings.HasPrefix(r.URL.Path, "/v1/auth/token/"):
		s.note("read", r)
		status, body = s.read()
		h = s.head
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprint(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}

func (s *server) note(what string, r *http.Request) {
	s.asked = append(s.asked, ask{what, time.Since(s.start), r.Header.Get("X-Vault-Token")})
}

// when gives the times, in seconds, of the requests of a kind.
func (s *server) when(what string) (at []float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.asked {
		if a.what == what {
			at = append(at, a.at.Seconds())
		}
	}
	return at
}

func (s *server) lastAsk() ask {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[len(s.asked)-1]
}

// set changes the answers.
func (s *server) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

type world struct {
	t        *testing.T
	s        *server
	client   *vault.Client
	sessions *watch.Sessions
	out      chan watch.Update
	refused  int
	log      *record
	watcher  *watch.Watcher
	stop     func() // ends the Watcher, and says how it ended
}

// watching runs f beside a Watcher of secret/x in fake time, with a session.
func watching(t *testing.T, s *server, f func(w *world)) {
	watchingFor(t, s, vault.Request{Method: vault.MethodRead, Path: "secret/x"}, f)
}

// watchingFor is watching with another request, and other options.
func watchingFor(t *testing.T, s *server, r vault.Request, f func(w *world), also ...func(*world, *watch.Options)) {
	synctest.Test(t, func(t *testing.T) {
		s.start = time.Now()
		client, err := vault.New(vault.Options{Address: "http://vault", Transport: s})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, s: s, client: client, sessions: &watch.Sessions{}, out: make(chan watch.Update, 10000), log: &record{}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		o := watch.Options{
			Request: r, Sessions: w.sessions, Policy: lease.Policy{}, StaticInterval: 5 * time.Minute,
			TokenRefused: func() { w.refused++ }, Log: slog.New(slog.NewTextHandler(w.log, nil)),
		}
		for _, set := range also {
			set(w, &o)
		}
		w.watcher = watch.New(o)
		go func() { done <- w.watcher.Run(ctx, w.out) }()
		w.stop = sync.OnceFunc(func() {
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("Run ended with %v", err)
			}
		})
		w.session(1)
		f(w)
		w.stop()
		if strings.Contains(w.log.String(), "canary") {
			t.Errorf("the log holds a secret: %s", w.log)
		}
	})
}

// record is a log that tests read while it is written.
type record struct {
	mu   sync.Mutex
	text strings.Builder
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// with gives a session with a token.
func (w *world) with(token string, n uint64) *vault.Session {
	return w.client.With(vault.NewToken(token), n)
}

func (w *world) session(n uint64) {
	w.sessions.Set(w.with(fmt.Sprint("canary-token-", n), n))
}

// after sleeps and gives what came until then.
func (w *world) after(d time.Duration) (all []watch.Update) {
	time.Sleep(d)
	synctest.Wait()
	for len(w.out) > 0 {
		all = append(all, <-w.out)
	}
	return all
}

func leased(ttl int, renewable bool, password string) string {
	return fmt.Sprintf(`{"lease_id":"secret/x/canary-lease","lease_duration":%d,"renewable":%v,"data":{"password":%q}}`, ttl, renewable, password)
}

func renewed(ttl int) string {
	return fmt.Sprintf(`{"lease_id":"secret/x/canary-lease","lease_duration":%d,"renewable":true}`, ttl)
}

// always gives the same answer.
func always(status int, body string) func() (int, string) {
	return func() (int, string) { return status, body }
}

func equal(t *testing.T, what string, got []float64, want ...float64) {
	t.Helper()
	same := len(got) == len(want)
	for i := 0; same && i < len(got); i++ {
		same = got[i] > want[i]-0.01 && got[i] < want[i]+0.01
	}
	if !same {
		t.Errorf("%s at %v s, want %v s", what, got, want)
	}
}

func fullSecret(u watch.Update) string {
	if u.Secret == nil {
		return ""
	}
	b, _ := json.Marshal(u.Secret.Data.Unwrap())
	return string(b)
}

// A renewable lease is renewed when two thirds have passed, and not read again.
func TestRenewalCadence(t *testing.T) {
	s := &server{read: always(200, leased(60, true, "canary-1")), renew: always(200, renewed(60))}
	watching(t, s, func(w *world) {
		got := w.after(205 * time.Second)
		if len(got) != 6 || !strings.Contains(fullSecret(got[0]), "canary-1") || got[0].Reason != watch.ReasonFirst {
			t.Fatalf("%d updates", len(got))
		}
		for i, u := range got {
			if u.Secret != nil != (i == 0) || u.Err != nil || u.Full != time.Minute || u.Last || u.Session == nil || u.Own {
				t.Errorf("update %d: %+v", i, u)
			}
			if left := u.Lease.IssuedAt.Sub(s.start); left != time.Duration(40*i)*time.Second || !u.Lease.Leased() {
				t.Errorf("update %d: a lease of %v", i, left)
			}
		}
		equal(t, "renewed", s.when("renew"), 40, 80, 120, 160, 200)
		equal(t, "read", s.when("read"), 0)
	})
}

// A renewal that grants less than before shows the end: new credentials are
// read while the old ones live for a third of their full life.
func TestTruncatedRenewal(t *testing.T) {
	grants := []int{60, 30}
	s := &server{read: always(200, leased(60, true, "canary-1"))}
	s.renew = func() (int, string) {
		g := grants[0]
		grants = append(grants[1:], g)
		return 200, renewed(g)
	}
	watching(t, s, func(w *world) {
		got := w.after(100 * time.Second)
		equal(t, "renewed", s.when("renew"), 40, 80)
		equal(t, "read", s.when("read"), 0, 90) // 20 s before the end at 110 s
		if len(got) != 4 || got[1].Last || !got[2].Last || got[2].Lease.TTL != 30*time.Second || got[2].Full != time.Minute {
			t.Fatalf("updates %+v", got)
		}
		if got[3].Secret == nil || got[3].Reason != watch.ReasonMaxTTL || got[3].Last {
			t.Errorf("replaced because %q", got[3].Reason)
		}
	})
}

// What never was renewable is replaced before its end.
func TestNotRenewable(t *testing.T) {
	s := &server{read: always(200, leased(600, false, "canary-1"))}
	watching(t, s, func(w *world) {
		w.after(1100 * time.Second)
		equal(t, "read", s.when("read"), 0, 540, 1080)
		equal(t, "renewed", s.when("renew"))
	})
}

// A lease that Vault has ended is replaced at once.
func TestLeaseGone(t *testing.T) {
	s := &server{read: always(200, leased(60, true, "canary-1")), renew: always(400, `{"errors":["lease not found"]}`)}
	watching(t, s, func(w *world) {
		if got := w.after(45 * time.Second); len(got) != 2 || got[1].Err != nil {
			t.Errorf("updates %v", got)
		}
		equal(t, "read", s.when("read"), 0, 40)
	})
}

// A renewal that the policy denies: the lease is used as long as it is safe.
func TestRenewalDenied(t *testing.T) {
	s := &server{read: always(200, leased(600, true, "canary-1")), renew: always(403, `{"errors":["permission denied"]}`)}
	watching(t, s, func(w *world) {
		w.after(550 * time.Second)
		equal(t, "renewed", s.when("renew"), 400)
		equal(t, "read", s.when("read"), 0, 540)
	})
}

// Vault is away at the renewal: it is tried again until the lease ends, and a
// success after that says that all is well.
func TestRenewalWhileAway(t *testing.T) {
	s := &server{read: always(200, leased(60, true, "canary-1")), renew: always(500, `{"errors":["storage"]}`)}
	watching(t, s, func(w *world) {
		got := w.after(45 * time.Second)
		equal(t, "renewed", s.when("renew"), 40, 40.5, 41.5, 43.5)
		if len(got) != 5 || got[4].Err == nil || got[4].Tries != 4 || got[4].Secret != nil {
			t.Errorf("updates %v", got)
		}
		s.set(func() { s.renew = always(200, renewed(60)) })
		got = w.after(10 * time.Second)
		if len(got) != 1 || got[0].Err != nil || got[0].Secret != nil || got[0].Tries != 0 {
			t.Errorf("updates %+v", got)
		}
		equal(t, "read", s.when("read"), 0)
	})
}

// Vault stays away until the lease has ended: then new credentials are due.
func TestAwayUntilTheEnd(t *testing.T) {
	s := &server{read: always(200, leased(60, true, "canary-1")), renew: always(500, `{}`)}
	watching(t, s, func(w *world) {
		w.after(59 * time.Second)
		s.set(func() { s.read = always(200, leased(60, true, "canary-2")) })
		got := w.after(2 * time.Second)
		if len(got) == 0 || !strings.Contains(fullSecret(got[len(got)-1]), "canary-2") {
			t.Errorf("updates %v", got)
		}
		equal(t, "read", s.when("read"), 0, 60)
	})
}

// A new session makes leased secrets anew: the old lease ends with its token.
func TestNewSession(t *testing.T) {
	for name, c := range map[string]struct {
		body  string
		reads int
	}{
		"renewable":     {leased(600, true, "canary-1"), 2},
		"not renewable": {leased(600, false, "canary-1"), 2},
		"no lease":      {`{"data":{"k":"canary-1"}}`, 1},
		"KV 1":          {`{"lease_duration":2764800,"data":{"k":"canary-1"}}`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{read: always(200, c.body), renew: always(200, renewed(600))}
			watching(t, s, func(w *world) {
				w.after(10 * time.Second)
				w.session(2)
				w.after(10 * time.Second)
				if n := len(s.when("read")); n != c.reads {
					t.Errorf("read %d times, want %d", n, c.reads)
				}
				if last := s.lastAsk(); c.reads == 2 && last.token != "canary-token-2" {
					t.Error("read with the old token")
				}
				w.after(10 * time.Minute) // what is not leased is read with the new token in its own time
				if last := s.lastAsk(); last.token != "canary-token-2" {
					t.Error("the old token is still in use")
				}
			})
		})
	}
}

// A secret without a lease is read again at the interval, whatever KV 1 calls
// its lease_duration, and only a change is told.
func TestStatic(t *testing.T) {
	for name, body := range map[string]string{
		"KV 2": `{"data":{"data":{"k":%q},"metadata":{"version":1}}}`,
		"KV 1": `{"lease_duration":2764800,"data":{"k":%q}}`,
		// A user's own data, which only looks like a static role's.
		"own rotation_period": `{"data":{"k":%q,"ttl":"30","rotation_period":86400}}`,
		"own text period":     `{"data":{"k":%q,"ttl":30,"rotation_period":"24h"}}`,
		"own ttl":             `{"data":{"k":%q,"ttl":30}}`,
		"past certificate":    `{"data":{"k":%q,"certificate":"x","expiration":1}}`,
		"own certificate":     `{"data":{"k":%q,"certificate":7,"expiration":4102444800}}`,
		"own schedule":        `{"data":{"k":%q,"ttl":30,"rotation_schedule":"daily"}}`,
		"own expiration":      `{"data":{"k":%q,"expiration":1}}`,
		"own secret_id":       `{"data":{"k":%q,"secret_id":"x","secret_id_ttl":"60"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{read: always(200, fmt.Sprintf(body, "canary-1"))}
			watching(t, s, func(w *world) {
				if got := w.after(901 * time.Second); len(got) != 1 {
					t.Errorf("%d updates of one value", len(got))
				}
				equal(t, "read", s.when("read"), 0, 300, 600, 900)
				s.set(func() { s.read = always(200, fmt.Sprintf(body, "canary-2")) })
				if got := w.after(300 * time.Second); len(got) != 1 || !strings.Contains(fullSecret(got[0]), "canary-2") {
					t.Errorf("updates of a change: %v", got)
				}
			})
		})
	}
}

// An interval of a second is one of a second.
func TestStaticEverySecond(t *testing.T) {
	s := &server{read: always(200, `{"data":{"k":"canary-1"}}`)}
	watchingFor(t, s, read("secret/x"), func(w *world) {
		w.after(100 * time.Second)
		if n := len(s.when("read")); n != 101 {
			t.Errorf("read %d times in 100 s", n)
		}
	}, func(_ *world, o *watch.Options) { o.StaticInterval = time.Second })
}

// Engines that say when their secret changes are asked right then.
func TestKnownLives(t *testing.T) {
	for name, c := range map[string]struct {
		body func() (int, string)
		want []float64
	}{
		"static role": {
			always(200, `{"data":{"password":"canary-1","ttl":30,"rotation_period":3600}}`), []float64{0, 31, 62, 93},
		},
		"lease that was granted no time": {
			always(200, `{"lease_id":"secret/x/canary-lease","lease_duration":0,"renewable":true,"data":{"password":"canary-1"}}`), []float64{0, 1, 2},
		},
		"certificate": {func() (int, string) {
			return 200, fmt.Sprintf(`{"data":{"certificate":"x","expiration":%d}}`, time.Now().Add(1000*time.Second).Unix())
		}, []float64{0, 900, 1800}},
		"secret_id": {always(200, `{"data":{"secret_id":"canary-id","secret_id_ttl":999}}`), []float64{0, 900, 1800}},
		"token":     {always(200, `{"auth":{"client_token":"canary-t","lease_duration":1000}}`), []float64{0, 900, 1800}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{read: c.body}
			watching(t, s, func(w *world) {
				w.after(time.Duration(c.want[len(c.want)-1])*time.Second + time.Second/2)
				equal(t, "read", s.when("read"), c.want...)
			})
		})
	}
}

// A write that is answered with nothing is made again at the interval only.
func TestWriteWithoutAnswer(t *testing.T) {
	for name, status := range map[string]int{"204": 204, "empty 200": 200} {
		t.Run(name, func(t *testing.T) {
			s := &server{read: always(status, "")}
			watchingFor(t, s, vault.Request{Method: vault.MethodWrite, Path: "kv/x", Params: `{"k":"canary-1"}`}, func(w *world) {
				got := w.after(901 * time.Second)
				equal(t, "written", s.when("read"), 0, 300, 600, 900)
				if len(got) != 1 || got[0].Secret == nil || got[0].Err != nil {
					t.Errorf("updates %+v", got)
				}
			})
		})
	}
}

// Renewals that grant next to nothing: the lease is replaced, and the next
// renewal comes in its time.
func TestNoStormOfShortRenewals(t *testing.T) {
	for _, ttl := range []int{0, 1, 5} {
		s := &server{read: always(200, leased(60, true, "canary-1")), renew: always(200, renewed(ttl))}
		watching(t, s, func(w *world) {
			w.after(130 * time.Second)
			equal(t, "read", s.when("read"), 0, 40, 80, 120)
			equal(t, "renewed", s.when("renew"), 40, 80, 120)
		})
	}
}

// A token that a template asked for ends with the one that asked.
func TestTokenOfAnotherSession(t *testing.T) {
	s := &server{read: always(200, `{"auth":{"client_token":"canary-t","lease_duration":1000}}`)}
	watching(t, s, func(w *world) {
		w.after(10 * time.Second)
		w.session(2)
		w.after(time.Second)
		equal(t, "read", s.when("read"), 0, 10)
	})
}

// Numbers that no clock can hold are no reason to ask again at once.
func TestHugeTTL(t *testing.T) {
	s := &server{read: always(200, `{"data":{"k":"canary-1","ttl":9999999999999,"rotation_period":1}}`)}
	watching(t, s, func(w *world) {
		w.after(time.Hour)
		if n := len(s.when("read")); n != 13 { // somebody may have it rotated
			t.Errorf("read %d times", n)
		}
	})
}

// A failing read is tried with backoff; its end is told even when the value is
// the old one.
func TestReadFailsAndRecovers(t *testing.T) {
	s := &server{read: always(200, `{"data":{"k":"canary-1"}}`)}
	watching(t, s, func(w *world) {
		w.after(time.Second)
		s.set(func() { s.read = always(403, `{"errors":["permission denied"]}`) })
		got := w.after(10 * time.Minute)
		for i, u := range got {
			if u.Err == nil || u.Secret != nil || u.Tries != i+1 || vault.ClassOf(u.Err) != vault.Denied {
				t.Fatalf("update %d: %+v", i, u)
			}
		}
		// 0.25 s, doubling up to 30 s, over five minutes.
		if len(got) < 14 || len(got) > 19 {
			t.Errorf("%d tries", len(got))
		}
		if w.refused != 0 {
			t.Error("a denied path is not the token's fault")
		}
		s.set(func() { s.read = always(200, `{"data":{"k":"canary-1"}}`) })
		got = w.after(31 * time.Second)
		if len(got) != 1 || got[0].Err != nil || got[0].Secret != nil || got[0].Tries != 0 {
			t.Errorf("recovery: %+v", got)
		}
	})
}

// While Vault is away it is asked every few seconds, or when it says.
func TestReadWhileAway(t *testing.T) {
	s := &server{read: always(503, `{"errors":["Vault is sealed"]}`)}
	watching(t, s, func(w *world) {
		w.after(time.Minute)
		at := s.when("read")
		for i := 1; i < len(at); i++ {
			if d := at[i] - at[i-1]; d > 5.01 {
				t.Errorf("a pause of %v s", d)
			}
		}
		s.set(func() { s.head = http.Header{"Retry-After": {"120"}} })
		w.after(6 * time.Second) // the answer that says so
		before := len(s.when("read"))
		w.after(110 * time.Second)
		if n := len(s.when("read")) - before; n != 0 {
			t.Errorf("asked %d times in spite of Retry-After", n)
		}
	})
}

// A token that Vault does not know is reported, and a new session is used at once.
func TestTokenRefused(t *testing.T) {
	s := &server{read: always(403, `{"errors":["permission denied","invalid token"]}`)}
	watching(t, s, func(w *world) {
		w.after(time.Minute)
		if w.refused == 0 {
			t.Error("not reported")
		}
		s.set(func() { s.read = always(200, `{"data":{"k":"canary-1"}}`) })
		w.after(0)
		before := time.Since(s.start)
		w.session(2)
		w.after(0)
		at := s.when("read")
		if last := at[len(at)-1]; last != before.Seconds() {
			t.Errorf("asked at %v s, the new session came at %v", last, before)
		}
	})
}

// Without a session nothing is asked.
func TestWaitsForASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch.New(watch.Options{Sessions: &watch.Sessions{}, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := w.Run(ctx, make(chan watch.Update)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

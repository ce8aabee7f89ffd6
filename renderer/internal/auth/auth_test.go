package auth_test

import (
	"context"
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

	"vault-renderer/renderer/internal/auth"
	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// server is a Vault that knows one token at a time. The test decides every
// answer.
type server struct {
	mu     sync.Mutex
	start  time.Time
	asked  []string             // "what at seconds"
	renew  func() (int, string) // auth/token/renew-self
	lookup func() (int, string) // auth/token/lookup-self
}

func (s *server) note(what string) {
	s.asked = append(s.asked, fmt.Sprintf("%s %.4g", what, time.Since(s.start).Seconds()))
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	status, body := 404, `{"errors":[]}`
	switch r.URL.Path {
	case "/v1/auth/token/renew-self":
		s.note("renew")
		status, body = s.renew()
	case "/v1/auth/token/lookup-self":
		s.note("look up")
		status, body = s.lookup()
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprint(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}

func (s *server) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *server) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.asked, ", ")
}

// Login is the Method: it gives what f gives.
type method struct {
	s *server
	f func(try int) (*vault.Auth, error)
	n int
}

func (m *method) Login(context.Context) (*vault.Auth, error) {
	m.n++
	m.s.set(func() { m.s.note("login") })
	return m.f(m.n)
}

// lives is a login that always gives a token with that life.
func lives(ttl time.Duration, renewable bool) func(int) (*vault.Auth, error) {
	return func(n int) (*vault.Auth, error) {
		return &vault.Auth{
			ClientToken: vault.NewToken(fmt.Sprint("canary-token-", n)),
			TTL:         lease.Lease{TTL: ttl, Renewable: renewable, IssuedAt: time.Now()},
		}, nil
	}
}

type world struct {
	t      *testing.T
	s      *server
	keeper *auth.Keeper
	out    chan auth.Event
	done   chan error
	cancel context.CancelFunc
	lives  []auth.Life // that came alone
}

func keeping(t *testing.T, s *server, login func(int) (*vault.Auth, error), o auth.Options, f func(w *world)) {
	keepingMade(t, s, login, func() auth.Options { return o }, f)
}

// keepingMade is keeping with options that are made in fake time.
func keepingMade(t *testing.T, s *server, login func(int) (*vault.Auth, error), options func() auth.Options, f func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		s.start = time.Now()
		o := options()
		switch o.Lookup {
		case 0:
			o.Lookup = -1 // most tests count requests
		case automatic:
			o.Lookup = 0
		}
		client, err := vault.New(vault.Options{Address: "http://vault", Transport: s})
		if err != nil {
			t.Fatal(err)
		}
		n := uint64(0)
		o.Client, o.Method, o.Log = client, &method{s: s, f: login}, slog.New(slog.DiscardHandler)
		o.Number = func() uint64 { n++; return n }
		w := &world{t: t, s: s, keeper: auth.New(o), out: make(chan auth.Event, 10000), done: make(chan error, 1)}
		ctx, cancel := context.WithCancel(t.Context())
		w.cancel = cancel
		go func() { w.done <- w.keeper.Run(ctx, w.out) }()
		f(w)
		cancel()
		if err := <-w.done; !errors.Is(err, context.Canceled) && !errors.Is(err, auth.ErrLogin) {
			t.Errorf("Run ended with %v", err)
		}
	})
}

// automatic has a Keeper choose how often to look its token up.
const automatic = time.Nanosecond

// after sleeps and gives what came until then; lives are put aside.
func (w *world) after(d time.Duration) (all []auth.Event) {
	time.Sleep(d)
	synctest.Wait()
	for len(w.out) > 0 {
		e := <-w.out
		if e.Life != nil && e.Session == nil {
			w.lives = append(w.lives, *e.Life)
			if e != (auth.Event{Life: e.Life}) {
				w.t.Errorf("with a life: %+v", e)
			}
			continue
		}
		all = append(all, e)
	}
	return all
}

func always(status int, body string) func() (int, string) {
	return func() (int, string) { return status, body }
}

func granted(ttl int) (int, string) {
	return 200, fmt.Sprintf(`{"auth":{"client_token":"x","lease_duration":%d,"renewable":true}}`, ttl)
}

func (w *world) want(log string) {
	w.t.Helper()
	if got := w.s.log(); got != log {
		w.t.Errorf("asked\n%s\nwant\n%s", got, log)
	}
}

// sessions checks that the events are this many new tokens, numbered on.
func (w *world) sessions(got []auth.Event, n int) {
	w.t.Helper()
	if len(got) != n {
		w.t.Errorf("%d events, want %d", len(got), n)
	}
	for i, e := range got {
		if e.Err != nil || e.Session == nil || e.Session.N != uint64(i+1) || e.Token.Reveal() != fmt.Sprint("canary-token-", i+1) {
			w.t.Errorf("event %d: %+v", i, e)
		}
	}
}

// A renewable token is renewed when two thirds have passed.
func TestRenewalCadence(t *testing.T) {
	s := &server{renew: func() (int, string) { return granted(60) }}
	keeping(t, s, lives(time.Minute, true), auth.Options{}, func(w *world) {
		w.sessions(w.after(125*time.Second), 1)
		w.want("login 0, renew 40, renew 80, renew 120")
	})
}

// Near the maximum a renewal grants less: the next login follows while the old
// token lives for a third of its full life.
func TestMaximum(t *testing.T) {
	grants := []int{60, 30}
	s := &server{}
	s.renew = func() (int, string) {
		g := grants[0]
		grants = append(grants[1:], g)
		return granted(g)
	}
	keeping(t, s, lives(time.Minute, true), auth.Options{}, func(w *world) {
		w.sessions(w.after(100*time.Second), 2)
		w.want("login 0, renew 40, renew 80, login 90") // the old one ends at 110
	})
}

func TestNotRenewable(t *testing.T) {
	s := &server{}
	keeping(t, s, lives(time.Minute, false), auth.Options{}, func(w *world) {
		w.sessions(w.after(85*time.Second), 3)
		w.want("login 0, login 40, login 80")
	})
}

// A token that never ends (root, for example) is left alone; Check still works.
func TestNeverEnding(t *testing.T) {
	s := &server{lookup: always(403, `{"errors":["bad token"]}`)}
	keeping(t, s, lives(0, false), auth.Options{}, func(w *world) {
		got := w.after(10 * 365 * 24 * time.Hour)
		w.want("login 0")
		w.keeper.Check()
		w.sessions(append(got, w.after(0)...), 2)
	})
}

// Check on a token that lives changes nothing, not even the next renewal's time.
func TestCheckAlive(t *testing.T) {
	s := &server{renew: func() (int, string) { return granted(60) }, lookup: always(200, `{"data":{"id":"x","ttl":50,"renewable":true}}`)}
	keeping(t, s, lives(time.Minute, true), auth.Options{}, func(w *world) {
		got := w.after(10 * time.Second)
		w.keeper.Check()
		w.keeper.Check() // twice at once is once or twice
		w.sessions(append(got, w.after(35*time.Second)...), 1)
		if log := s.log(); !strings.HasPrefix(log, "login 0, look up 10") || !strings.HasSuffix(log, ", renew 40") {
			t.Errorf("asked %s", log)
		}
	})
}

// Check on a token that Vault has ended leads to a login at once.
func TestCheckDead(t *testing.T) {
	for name, answer := range map[string]string{
		"invalid": `{"errors":["permission denied","invalid token"]}`,
		"denied":  `{"errors":["permission denied"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{lookup: always(403, answer)}
			keeping(t, s, lives(time.Minute, true), auth.Options{}, func(w *world) {
				got := w.after(10 * time.Second)
				w.keeper.Check()
				w.sessions(append(got, w.after(0)...), 2)
				w.want("login 0, look up 10, login 10")
			})
		})
	}
}

// A Check whose look-up fails for another reason is no proof.
func TestCheckWhileAway(t *testing.T) {
	s := &server{lookup: always(500, `{"errors":["storage"]}`)}
	keeping(t, s, lives(time.Minute, true), auth.Options{}, func(w *world) {
		got := w.after(10 * time.Second)
		w.keeper.Check()
		w.sessions(append(got, w.after(time.Second)...), 1)
	})
}

// A Check that was about the token before is dropped.
func TestCheckBeforeTheLogin(t *testing.T) {
	s := &server{lookup: always(403, `{"errors":["bad token"]}`)}
	slow := func(n int) (*vault.Auth, error) {
		time.Sleep(10 * time.Second)
		return lives(time.Hour, true)(n)
	}
	keeping(t, s, slow, auth.Options{}, func(w *world) {
		time.Sleep(time.Second)
		w.keeper.Check()
		w.sessions(w.after(time.Minute), 1)
		w.want("login 0")
	})
}

// Vault is away at the renewal: tried again, then all goes on.
func TestRenewalWhileAway(t *testing.T) {
	s := &server{renew: always(500, `{"errors":["storage"]}`)}
	keeping(t, s, lives(time.Minute, true), auth.Options{}, func(w *world) {
		got := w.after(45 * time.Second)
		w.want("login 0, renew 40, renew 40.5, renew 41.5, renew 43.5")
		s.set(func() { s.renew = func() (int, string) { return granted(60) } })
		w.sessions(append(got, w.after(30*time.Second)...), 1)
		w.want("login 0, renew 40, renew 40.5, renew 41.5, renew 43.5, renew 47.5")
	})
}

// Away until the token has ended: log in again.
func TestAwayUntilTheEnd(t *testing.T) {
	s := &server{renew: always(500, `{"errors":["storage"]}`)}
	keeping(t, s, lives(time.Minute, true), auth.Options{}, func(w *world) {
		w.sessions(w.after(61*time.Second), 2)
		if log := s.log(); !strings.HasSuffix(log, ", renew 60, login 60") {
			t.Errorf("asked %s", log)
		}
	})
}

// A renewal that is denied for good: the token is used as long as it is safe.
func TestRenewalDenied(t *testing.T) {
	s := &server{renew: always(403, `{"errors":["permission denied"]}`)}
	keeping(t, s, lives(time.Minute, true), auth.Options{}, func(w *world) {
		w.sessions(w.after(50*time.Second), 2)
		w.want("login 0, renew 40, login 40") // 20 s are left for the hand-over
	})
}

func TestRenewalOfADeadToken(t *testing.T) {
	s := &server{renew: always(403, `{"errors":["permission denied","invalid token"]}`)}
	keeping(t, s, lives(time.Hour, true), auth.Options{}, func(w *world) {
		w.sessions(w.after(45*time.Minute), 2)
		w.want("login 0, renew 2400, login 2400")
	})
}

// Failed logins are tried again, later and later; what Vault refuses is spared
// it up to max_backoff.
func TestBackoff(t *testing.T) {
	refused := &vault.Error{Op: "log in at", Class: vault.Invalid, Status: 400, Detail: "invalid role or secret ID"}
	login := func(n int) (*vault.Auth, error) {
		if n <= 6 {
			return nil, refused
		}
		return lives(time.Hour, true)(n)
	}
	s := &server{}
	keeping(t, s, login, auth.Options{MinBackoff: 2 * time.Second, MaxBackoff: 30 * time.Second}, func(w *world) {
		got := w.after(100 * time.Second)
		w.want("login 0, login 2, login 6, login 14, login 30, login 60, login 90")
		for i, e := range got {
			if ok := i == 6; (e.Err == nil) != ok || (e.Session != nil) != ok || (e.Next == 0) != ok {
				t.Errorf("event %d: %+v", i, e)
			}
		}
		if len(got) != 7 || got[0].Next != 2*time.Second || !errors.Is(got[0].Err, refused) {
			t.Errorf("events %+v", got)
		}
	})
}

func TestDefaultBackoff(t *testing.T) {
	s := &server{}
	login := func(int) (*vault.Auth, error) { return nil, errors.New("role_id file is empty") }
	keeping(t, s, login, auth.Options{}, func(w *world) {
		got := w.after(2 * time.Hour)
		if got[0].Next != time.Second || got[len(got)-1].Next != 5*time.Minute {
			t.Errorf("from %v to %v", got[0].Next, got[len(got)-1].Next)
		}
	})
}

// Vault's Retry-After counts, and one that is away is looked for more often
// than max_backoff says.
func TestRetryAfterAndAway(t *testing.T) {
	errs := []error{
		&vault.Error{Class: vault.Transient, Status: 429, RetryAfter: 100 * time.Second},
		&vault.Error{Class: vault.Transient},
		&vault.Error{Class: vault.Sealed, Status: 503},
		&vault.Error{Class: vault.Transient},
		&vault.Error{Class: vault.Transient},
		&vault.Error{Class: vault.Transient},
		&vault.Error{Class: vault.Transient},
	}
	login := func(n int) (*vault.Auth, error) {
		if n <= len(errs) {
			return nil, errs[n-1]
		}
		return lives(time.Hour, true)(n)
	}
	s := &server{}
	keeping(t, s, login, auth.Options{}, func(w *world) {
		w.after(200 * time.Second)
		w.want("login 0, login 100, login 102, login 106, login 114, login 129, login 144, login 159")
	})
}

// exit_on_err: the first failure ends Run.
func TestExitOnErr(t *testing.T) {
	cause := errors.New("no")
	s := &server{}
	login := func(int) (*vault.Auth, error) { return nil, cause }
	keeping(t, s, login, auth.Options{ExitOnErr: true}, func(w *world) {
		if got := w.after(time.Minute); len(got) != 0 {
			t.Errorf("events %+v", got)
		}
		err := <-w.done
		if !errors.Is(err, auth.ErrLogin) || !errors.Is(err, cause) {
			t.Errorf("%v", err)
		}
		w.done <- err
		w.want("login 0")
	})
}

// The context ends Run wherever it waits: in a login, between logins, in
// sending, while it keeps a token.
func TestContextEnds(t *testing.T) {
	for name, login := range map[string]func(context.Context) (*vault.Auth, error){
		"login":    func(ctx context.Context) (*vault.Auth, error) { <-ctx.Done(); return nil, ctx.Err() },
		"between":  func(context.Context) (*vault.Auth, error) { return nil, errors.New("no") },
		"keeping":  func(context.Context) (*vault.Auth, error) { return lives(time.Hour, true)(1) },
		"for ever": func(context.Context) (*vault.Auth, error) { return lives(0, false)(1) },
	} {
		for _, read := range []bool{true, false} {
			t.Run(fmt.Sprint(name, " read ", read), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					client, err := vault.New(vault.Options{Address: "http://vault", Transport: &server{}})
					if err != nil {
						t.Fatal(err)
					}
					k := auth.New(auth.Options{
						Client: client, Method: methodFunc(login), Log: slog.New(slog.DiscardHandler),
						MinBackoff: time.Hour, Number: func() uint64 { return 1 },
					})
					size := 0 // nobody reads
					if read {
						size = 10
					}
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					defer cancel()
					start := time.Now()
					if err := k.Run(ctx, make(chan auth.Event, size)); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 10*time.Second {
						t.Errorf("%v after %v", err, time.Since(start))
					}
				})
			})
		}
	}
}

type methodFunc func(context.Context) (*vault.Auth, error)

func (f methodFunc) Login(ctx context.Context) (*vault.Auth, error) { return f(ctx) }

package auth_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/auth"
	"vault-renderer/renderer/internal/vault"
)

// watched is a method whose credentials change at certain seconds.
type watched struct {
	method
	at []int
}

func (m *watched) Watch(ctx context.Context, changed func()) {
	began := 0
	for _, s := range m.at {
		select {
		case <-time.After(time.Duration(s-began) * time.Second):
			began = s
			changed()
		case <-ctx.Done():
			return
		}
	}
	<-ctx.Done()
}

func watching(t *testing.T, s *server, login func(int) (*vault.Auth, error), reauth bool, at []int, f func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		s.start = time.Now()
		client, err := vault.New(vault.Options{Address: "http://vault", Transport: s})
		if err != nil {
			t.Fatal(err)
		}
		n := uint64(0)
		k := auth.New(auth.Options{
			Client: client, Method: &watched{method{s: s, f: login}, at}, Log: slog.New(slog.DiscardHandler),
			Reauth: reauth, Lookup: -1, Number: func() uint64 { n++; return n },
		})
		w := &world{t: t, s: s, keeper: k, out: make(chan auth.Event, 1000), done: make(chan error, 1)}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { w.done <- k.Run(ctx, w.out) }()
		f(w)
		cancel()
		if err := <-w.done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	})
}

// New credentials lead to a new login at once, when that is asked for.
func TestReauth(t *testing.T) {
	s := &server{renew: func() (int, string) { return granted(300) }}
	watching(t, s, lives(300*time.Second, true), true, []int{50, 60}, func(w *world) {
		w.sessions(w.after(100*time.Second), 3)
		w.want("login 0, login 50, login 60")
	})
	s = &server{renew: func() (int, string) { return granted(300) }}
	watching(t, s, lives(300*time.Second, true), false, []int{50, 60}, func(w *world) {
		w.sessions(w.after(210*time.Second), 1)
		w.want("login 0, renew 200")
	})
}

// While new credentials are refused, the token at hand is kept alive.
func TestReauthRefused(t *testing.T) {
	s := &server{renew: func() (int, string) { return granted(30) }}
	login := func(n int) (*vault.Auth, error) {
		if n > 1 && n < 7 {
			return nil, &vault.Error{Op: "log in at", Class: vault.Invalid, Status: 400, Detail: "wrong"}
		}
		return lives(30*time.Second, true)(n)
	}
	watching(t, s, login, true, []int{5}, func(w *world) {
		got := w.after(40 * time.Second)
		w.want("login 0, login 5, login 6, login 8, login 12, renew 20, login 20, login 36")
		if len(got) != 7 || got[6].Session == nil || got[6].Session.N != 2 {
			t.Errorf("events %+v", got)
		}
	})
}

// A token that a login gives again is no new session: nothing is read anew.
func TestSameToken(t *testing.T) {
	s := &server{renew: func() (int, string) { return granted(30) }}
	login := func(int) (*vault.Auth, error) { return lives(300*time.Second, true)(1) }
	watching(t, s, login, true, []int{5}, func(w *world) {
		got := w.after(10 * time.Second)
		w.want("login 0, login 5")
		if len(got) != 2 || got[1] != (auth.Event{}) {
			t.Errorf("events %+v", got)
		}
	})
}

// A wrapped login gives no session; nothing is asked of Vault until new
// credentials are there.
func TestWrapped(t *testing.T) {
	s := &server{}
	login := func(n int) (*vault.Auth, error) {
		return &vault.Auth{Wrapped: &vault.WrapInfo{Token: vault.NewToken(fmt.Sprint("canary-wrapping-", n)), TTL: 60}}, nil
	}
	watching(t, s, login, true, []int{5000}, func(w *world) {
		got := w.after(4000 * time.Second)
		w.keeper.Check()
		got = append(got, w.after(4000*time.Second)...)
		w.want("login 0, login 5000")
		if len(got) != 2 || got[1].Session != nil || got[1].Token.Reveal() != `{"token":"canary-wrapping-2","accessor":"","ttl":60,"creation_time":"","creation_path":"","wrapped_accessor":""}` {
			t.Errorf("events %+v", got)
		}
	})
}

package auth_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/auth"
	"vault-renderer/renderer/internal/vault"
)

// renewer is a method with a Renew and alarms.
type renewer struct {
	method
	mu      sync.Mutex
	running int
	tell    func(string)
	log     []string
}

func (m *renewer) OnAlarm(tell func(string)) { m.tell = tell }

func (m *renewer) note(format string, a ...any) {
	m.log = append(m.log, fmt.Sprintf(format, a...)+fmt.Sprintf(" %.4g", time.Since(m.s.start).Seconds()))
}

func (m *renewer) Login(ctx context.Context) (*vault.Auth, error) {
	m.mu.Lock()
	m.note("login beside %d", m.running)
	m.mu.Unlock()
	if m.n == 2 {
		m.tell("alarm at a login")
	}
	return m.method.Login(ctx)
}

func (m *renewer) Renew(ctx context.Context, s *vault.Session) {
	m.mu.Lock()
	m.running++
	m.note("with %d", s.N)
	m.mu.Unlock()
	if s.N == 2 {
		m.tell("alarm beside")
	}
	<-ctx.Done()
	m.mu.Lock()
	m.running--
	m.mu.Unlock()
}

// Renew runs beside each session, never beside a login, and again with a session
// that lives after a login that failed.
func TestRenewBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{start: time.Now(), lookup: always(403, `{"errors":["bad token"]}`)}
		client, err := vault.New(vault.Options{Address: "http://vault", Transport: s})
		if err != nil {
			t.Fatal(err)
		}
		m := &renewer{method: method{s: s, f: func(n int) (*vault.Auth, error) {
			if n == 2 || n == 4 {
				return nil, errors.New("no")
			}
			return lives(time.Minute, false)(n)
		}}}
		n := uint64(0)
		k := auth.New(auth.Options{
			Client: client, Method: m, Lookup: -1, Log: slog.New(slog.DiscardHandler), Number: func() uint64 { n++; return n },
		})
		ctx, cancel := context.WithCancel(t.Context())
		out, done := make(chan auth.Event, 100), make(chan error, 1)
		go func() { done <- k.Run(ctx, out) }()
		time.Sleep(50 * time.Second)
		k.Check() // the token of session 2 is dead
		time.Sleep(2 * time.Second)
		cancel()
		<-done
		close(out)
		var alarms []string
		for e := range out {
			if e.Alarm != "" {
				alarms = append(alarms, e.Alarm)
			}
		}
		want := "login beside 0 0, with 1 0, login beside 0 40, with 1 40, login beside 0 41, with 2 41, login beside 0 50, login beside 0 51, with 3 51"
		if got := strings.Join(m.log, ", "); got != want || m.running != 0 {
			t.Errorf("%s\nwant %s, %d are running", got, want, m.running)
		}
		if got := strings.Join(alarms, ", "); got != "alarm at a login, alarm beside" {
			t.Error(got)
		}
	})
}

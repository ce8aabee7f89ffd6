package web

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/webapp/credfile"
	"vault-renderer/webapp/dbpool"
)

// fakePool answers as told, in fake time.
type fakePool struct {
	mu    sync.Mutex
	db    *sql.DB
	err   error // of Use and of connecting
	tries []time.Time
	stats dbpool.Stats
}

func (p *fakePool) set(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

// tried returns when Use was called.
func (p *fakePool) tried() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.tries)
}

func (p *fakePool) DB() *sql.DB                           { return p.db }
func (p *fakePool) Drained(context.Context, uint64) error { return nil }
func (p *fakePool) Do(ctx context.Context, _ dbpool.Retry, f func(context.Context, *sql.Conn) error) error {
	c, err := p.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return f(ctx, c)
}

func (p *fakePool) Driver() driver.Driver { return nil }

func (p *fakePool) Connect(context.Context) (driver.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fakeConn{}, p.err
}

func (p *fakePool) Stats() dbpool.Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

func (p *fakePool) Use(_ context.Context, c dbpool.Config) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tries = append(p.tries, time.Now())
	if p.err == nil {
		p.stats.Generation++
		p.stats.User = c.User
	}
	return p.err
}

type fakeConn struct{ driver.Conn }

func (fakeConn) Close() error { return nil }

// IsValid false: each ping opens a connection, so it sees p.err.
func (fakeConn) IsValid() bool { return false }

// inBubble runs an App on a fakePool in fake time.
func inBubble(t *testing.T, test func(a *App, p *fakePool)) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakePool{}
		p.db = sql.OpenDB(p)
		a := New(Options{Pool: p})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- a.Run(ctx) }()
		test(a, p)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = p.db.Close()
	})
}

func TestUnreachableIsAskedOften(t *testing.T) {
	inBubble(t, func(a *App, p *fakePool) {
		p.set(errors.New("connection refused"))
		a.Offer(credfile.Creds{User: "u", Digest: "d1"}, nil)
		time.Sleep(time.Minute - time.Second)
		if n := len(p.tried()); n != 30 {
			t.Errorf("%d tries in a minute", n)
		}
		if got := a.state.Load().notReady(); got != "database unreachable: connection refused" {
			t.Error(got)
		}
		p.set(nil)
		time.Sleep(pingEvery)
		if got := a.state.Load(); got.notReady() != "" || got.digest != "d1" {
			t.Errorf("%+v", got)
		}
	})
}

func TestReadinessFollowsTheDatabase(t *testing.T) {
	inBubble(t, func(a *App, p *fakePool) {
		a.Offer(credfile.Creds{User: "u", Digest: "d1"}, nil)
		time.Sleep(time.Second)
		for range 2 {
			p.set(errors.New("connection refused"))
			time.Sleep(pingEvery)
			if got := a.state.Load().notReady(); !strings.Contains(got, "connection refused") {
				t.Errorf("down: %q", got)
			}
			p.set(nil)
			time.Sleep(pingEvery)
			if got := a.state.Load().notReady(); got != "" {
				t.Errorf("up: %q", got)
			}
		}
	})
}

func TestNewestOfferWins(t *testing.T) {
	inBubble(t, func(a *App, p *fakePool) {
		for _, d := range []string{"d1", "d2", "d3"} {
			a.Offer(credfile.Creds{User: d, Digest: d}, nil)
		}
		synctest.Wait()
		if got := a.state.Load().digest; got != "d3" {
			t.Error(got)
		}
		// A file that goes bad does not take away what works.
		a.Offer(credfile.Creds{}, errors.New("gone"))
		synctest.Wait()
		if got := a.state.Load(); got.notReady() != "" || got.digest != "d3" {
			t.Errorf("%+v", got)
		}
	})
}

// The digest of what is in use is written for whoever waits for it.
func TestAcknowledges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ack")
	inBubble(t, func(a *App, p *fakePool) {
		a.opts.AckPath = path
		for _, d := range []string{"d1", "d2"} {
			a.Offer(credfile.Creds{User: d, Digest: d}, nil)
			synctest.Wait()
			if got, _ := os.ReadFile(path); string(got) != d+"\n" {
				t.Errorf("acknowledged %q, want %s", got, d)
			}
		}
		p.set(errors.New("refused"))
		a.Offer(credfile.Creds{User: "d3", Digest: "d3"}, nil)
		synctest.Wait()
		if got, _ := os.ReadFile(path); string(got) != "d2\n" {
			t.Errorf("acknowledged %q, which is not in use", got)
		}
	})
}

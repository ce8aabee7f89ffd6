package dbpool

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// renewing answers a refusal with a new generation, as a program does that
// asks for new credentials and gets them.
type renewing struct {
	told atomic.Int64
	ask  chan struct{}
}

func renew(t *testing.T, p *Pool, after time.Duration) *renewing {
	r := &renewing{ask: make(chan struct{}, 1)}
	done := make(chan struct{})
	var keeper sync.WaitGroup
	t.Cleanup(func() { close(done); keeper.Wait() })
	keeper.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-r.ask:
			}
			<-time.After(after)
			if err := p.Use(context.Background(), newUser(t, "app.t")); err != nil {
				t.Error(err)
			}
			select { // who was refused meanwhile is helped already
			case <-r.ask:
			default:
			}
		}
	})
	return r
}

func (r *renewing) Refused(err error) {
	if !IsCredentialError(err) || strings.Contains(err.Error(), "canary") {
		panic(err)
	}
	r.told.Add(1)
	select {
	case r.ask <- struct{}{}:
	default:
	}
}

// dead gives a pool whose account was dropped, with a connection of it that
// was left idle or not.
func dead(t *testing.T, idle bool) (p *Pool, told *renewing) {
	t.Helper()
	p = newPool(t, Options{})
	account := newUser(t, "app.t")
	use(t, p, account)
	if err := query(p.DB()); err != nil {
		t.Fatal(err)
	}
	if !idle {
		p.closeIdle()
	}
	dropUser(t, account)
	return p, renew(t, p, 50*time.Millisecond)
}

// mark is a text that no other test writes.
func mark(t *testing.T) string { return fmt.Sprintf("%s %d", t.Name(), users.Add(1)) }

func countOf(t *testing.T, text string) (n int) {
	t.Helper()
	if err := server.Admin().QueryRow("SELECT COUNT(*) FROM app.t WHERE b = ?", text).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestDoAfterRefusedLogin: the function has not run when the login is refused.
func TestDoAfterRefusedLogin(t *testing.T) {
	p, told := dead(t, false)
	runs, text := 0, mark(t)
	err := p.Do(t.Context(), Retry{Refused: told.Refused}, func(ctx context.Context, c *sql.Conn) error {
		runs++
		_, err := c.ExecContext(ctx, "INSERT INTO t (b) VALUES (?)", text)
		return err
	})
	if err != nil || runs != 1 || told.told.Load() != 1 || countOf(t, text) != 1 {
		t.Errorf("%v, %d runs, told %d times, %d rows", err, runs, told.told.Load(), countOf(t, text))
	}
}

// TestDoAfterRefusedStatement: the first statement is refused in a session
// that was open already.
func TestDoAfterRefusedStatement(t *testing.T) {
	for name, insert := range map[string]func(context.Context, *sql.Conn, string) error{
		"text": func(ctx context.Context, c *sql.Conn, b string) error {
			_, err := c.ExecContext(ctx, "INSERT INTO t (b) VALUES ('"+b+"')")
			return err
		},
		"arguments": func(ctx context.Context, c *sql.Conn, b string) error {
			_, err := c.ExecContext(ctx, "INSERT INTO t (b) VALUES (?)", b)
			return err
		},
		"returning": func(ctx context.Context, c *sql.Conn, b string) (err error) {
			var id int
			return c.QueryRowContext(ctx, "INSERT INTO t (b) VALUES (?) RETURNING id", b).Scan(&id)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, told := dead(t, true)
			runs, text := 0, mark(t)
			err := p.Do(t.Context(), Retry{Refused: told.Refused}, func(ctx context.Context, c *sql.Conn) error {
				runs++
				return insert(ctx, c, text)
			})
			if err != nil || runs != 2 || told.told.Load() != 1 || countOf(t, text) != 1 {
				t.Errorf("%v, %d runs, told %d times, %d rows", err, runs, told.told.Load(), countOf(t, text))
			}
		})
	}
}

// TestDoDoesNothingTwice: after a statement that worked, and after a CALL that
// did half of its work, the refusal is the caller's.
func TestDoDoesNothingTwice(t *testing.T) {
	needServer(t)
	exec(t, server.Admin(), "CREATE OR REPLACE PROCEDURE app.half(x VARCHAR(100)) SQL SECURITY INVOKER BEGIN INSERT INTO app.t (b) VALUES (x); DELETE FROM app.t WHERE b = 'none'; END")
	p := newPool(t, Options{})
	account := newUser(t, "app.t")
	exec(t, server.Admin(), fmt.Sprintf("GRANT EXECUTE ON PROCEDURE app.half TO '%s'@'%%'", account.User))
	use(t, p, account)
	half := []func(context.Context, *sql.Conn, string) error{
		func(ctx context.Context, c *sql.Conn, b string) error {
			_, err := c.ExecContext(ctx, "CALL half('"+b+"')")
			return err
		},
		func(ctx context.Context, c *sql.Conn, b string) error {
			_, err := c.ExecContext(ctx, "CALL half(?)", b)
			return err
		},
		func(ctx context.Context, c *sql.Conn, b string) error {
			if _, err := c.ExecContext(ctx, "INSERT INTO t (b) VALUES ('"+b+"')"); err != nil {
				return err
			}
			_, err := c.ExecContext(ctx, "DELETE FROM t WHERE id = 0") // not granted
			return err
		},
		func(ctx context.Context, c *sql.Conn, b string) error {
			if _, err := c.ExecContext(ctx, "INSERT INTO t (b) VALUES (?)", b); err != nil {
				return err
			}
			_, err := c.ExecContext(ctx, "DELETE FROM t WHERE id = ?", 0)
			return err
		},
	}
	for i, f := range half {
		runs, text := 0, mark(t)
		err := p.Do(t.Context(), Retry{Refused: func(err error) { t.Errorf("told: %v", err) }}, func(ctx context.Context, c *sql.Conn) error {
			runs++
			return f(ctx, c, text)
		})
		if !IsCredentialError(err) || runs != 1 || countOf(t, text) != 1 {
			t.Errorf("%d: %v, %d runs, %d rows", i, err, runs, countOf(t, text))
		}
	}
}

// TestDoTx: whatever the transaction did is rolled back and done once.
func TestDoTx(t *testing.T) {
	p := newPool(t, Options{})
	account := newUser(t, "app.t")
	use(t, p, account)
	told := renew(t, p, 50*time.Millisecond)
	runs, text := 0, mark(t)
	err := p.DoTx(t.Context(), Retry{Refused: told.Refused}, &sql.TxOptions{}, func(ctx context.Context, tx *sql.Tx) error {
		runs++
		if _, err := tx.ExecContext(ctx, "INSERT INTO t (b) VALUES (?)", text); err != nil {
			return err
		}
		if runs == 1 {
			dropUser(t, account)
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO t (b) VALUES (?)", text)
		return err
	})
	if err != nil || runs != 2 || told.told.Load() != 1 || countOf(t, text) != 2 {
		t.Errorf("%v, %d runs, told %d times, %d rows", err, runs, told.told.Load(), countOf(t, text))
	}
	own := errors.New("own")
	if err := p.DoTx(t.Context(), Retry{}, nil, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO t (b) VALUES (?)", text)
		return errors.Join(err, own)
	}); !errors.Is(err, own) || countOf(t, text) != 2 {
		t.Errorf("%v, %d rows", err, countOf(t, text))
	}
}

// TestDoGivesUp: without newer credentials the refusal is the answer, after the
// wait or at the request's end.
func TestDoGivesUp(t *testing.T) {
	for _, c := range []struct {
		wait, request time.Duration
	}{{50 * time.Millisecond, time.Minute}, {time.Minute, 50 * time.Millisecond}} {
		p := newPool(t, Options{})
		account := newUser(t, "app.t")
		use(t, p, account)
		p.closeIdle()
		dropUser(t, account)
		ctx, cancel := context.WithTimeout(t.Context(), c.request)
		defer cancel()
		began := time.Now()
		told := 0
		err := p.Do(ctx, Retry{Wait: c.wait, Refused: func(error) { told++ }}, func(context.Context, *sql.Conn) error {
			t.Error("it ran")
			return nil
		})
		if took := time.Since(began); ErrorNumber(err) != 1045 || told != 1 || took > 10*time.Second {
			t.Errorf("%v, told %d times, after %v", err, told, took)
		}
		if strings.Contains(err.Error(), "canary") {
			t.Error(err)
		}
	}
}

// TestDoWithNewerCredentials: a session of an older account, refused after the
// switch, is no reason to ask for credentials or to wait.
func TestDoWithNewerCredentials(t *testing.T) {
	p := newPool(t, Options{})
	old := newUser(t, "app.t")
	use(t, p, old)
	runs := 0
	err := p.Do(t.Context(), Retry{Wait: time.Hour, Refused: func(err error) { t.Error(err) }}, func(ctx context.Context, c *sql.Conn) error {
		if runs++; runs == 1 {
			use(t, p, newUser(t, "app.t"))
			dropUser(t, old)
		}
		_, err := c.ExecContext(ctx, "INSERT INTO t (b) VALUES ('x')")
		return err
	})
	if err != nil || runs != 2 {
		t.Errorf("%v, %d runs", err, runs)
	}
}

func TestDoPassesOtherErrors(t *testing.T) {
	p := newPool(t, Options{})
	none := func(context.Context, *sql.Conn) error { t.Error("it ran"); return nil }
	refused := Retry{Refused: func(err error) { t.Error(err) }}
	if err := p.Do(t.Context(), refused, none); !errors.Is(err, ErrNoCredentials) {
		t.Error(err)
	}
	use(t, p, newUser(t, "app.t"))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Do(ended, refused, none); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	own := errors.New("own")
	for want, n := range map[error]int{own: 1, driver.ErrBadConn: 2, nil: 1} {
		runs := 0
		if err := p.Do(t.Context(), refused, func(context.Context, *sql.Conn) error { runs++; return want }); !errors.Is(err, want) || runs != n {
			t.Errorf("%v: %v, %d runs", want, err, runs)
		}
	}
	if s := p.DB().Stats(); s.InUse != 0 {
		t.Errorf("%d connections are not given back", s.InUse)
	}
}

// TestRevocationUnderLoad drops the account in use again and again, without
// notice: no call fails, and no insert is lost or done twice.
func TestRevocationUnderLoad(t *testing.T) {
	p := newPool(t, Options{MaxConns: 16})
	use(t, p, newUser(t, "app.t"))
	told := renew(t, p, 20*time.Millisecond)
	text := mark(t)
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var failed atomic.Int64
	var done [24]atomic.Int64
	for i := range done {
		clients.Go(func() {
			for ctx.Err() == nil {
				err := p.Do(t.Context(), Retry{Refused: told.Refused}, func(ctx context.Context, c *sql.Conn) error {
					_, err := c.ExecContext(ctx, "INSERT INTO t (b) VALUES (?)", text)
					return err
				})
				if err != nil && failed.Add(1) == 1 {
					t.Error(err)
				}
				done[i].Add(1)
			}
		})
	}
	for range 10 {
		before := p.Stats()
		dropUser(t, Config{User: before.User})
		waitFor(t, "a new generation", func() bool { return p.Stats().Generation > before.Generation })
		for i := range done { // two: the first may have begun with the old account
			n := done[i].Load()
			waitFor(t, "calls of all clients", func() bool { return done[i].Load() >= n+2 })
		}
	}
	cancel()
	clients.Wait()
	var all int64
	for i := range done {
		all += done[i].Load()
	}
	if n := int64(countOf(t, text)); failed.Load() != 0 || n != all {
		t.Errorf("%d of %d failed, %d rows", failed.Load(), all, n)
	}
	t.Logf("%d inserts, %d refusals", all, told.told.Load())
}

func TestAtomicStatement(t *testing.T) {
	for query, want := range map[string]bool{
		"SELECT 1": true, " \n\tselect\n1": true, "(SELECT 1)": true, "INSERT INTO t": true, "update t": true,
		"DELETE FROM t": true, "REPLACE INTO t": true, "WITH x AS (SELECT 1) SELECT 1": true, "SELECT(1)": true,
		"CALL p()": false, "BEGIN NOT ATOMIC": false, "/* x */ SELECT 1": false, "": false, "EXECUTE s": false,
		"SELECTED": false, "DROP TABLE a, b": false,
	} {
		if got := atomicStatement(query); got != want {
			t.Errorf("%q: %v", query, got)
		}
	}
}

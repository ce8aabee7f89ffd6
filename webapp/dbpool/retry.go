package dbpool

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"time"
)

// Retry says what Do and DoTx do when the server refuses credentials that are
// the newest known. The zero value is usable.
type Retry struct {
	// Wait is how long to wait for a newer generation; 5 s when not set. The
	// context's end ends it sooner.
	Wait time.Duration
	// Refused is told at once that the newest credentials were refused, so that
	// newer ones can be asked for. Every caller that meets the refusal tells it.
	// It must not block; nil = nobody is told.
	Refused func(error)
}

const defaultWait = 5 * time.Second

// Do runs f with a connection of its own. If the server refuses the credentials
// (IsCredentialError) before anything was done on that connection, it waits for
// a newer generation (not at all if there is one already) and runs f once more
// on a connection of that one.
//
// "Before anything was done" means that the login was refused, then f has not
// run at all, or that f's first statement was: a SELECT, INSERT, UPDATE,
// DELETE, REPLACE or WITH, of which the server then has done nothing. After a
// statement that worked, and after a CALL (which may have done half of its
// work), f's error is returned as it is; so is any other error. What f does
// beside the database it does twice.
//
// f must close its rows and statements, and return the database's error as it
// is or wrapped. If no newer generation comes in time, the error is the
// server's refusal.
func (p *Pool) Do(ctx context.Context, r Retry, f func(context.Context, *sql.Conn) error) error {
	return p.twice(ctx, r, func(on *attempt) error {
		return p.with(ctx, on, func(c *sql.Conn) error {
			err := f(ctx, c)
			on.again = !on.conn.worked.Load()
			return err
		})
	})
}

// DoTx is Do for a transaction of any number of statements: it begins one, runs
// f in it, and commits. A refusal rolls back, so that f runs again whatever its
// statements were; only a refused COMMIT is final, because nobody knows what
// became of it. What a rollback does not undo is up to f: DDL, tables without
// transactions, anything outside of the database.
func (p *Pool) DoTx(ctx context.Context, r Retry, o *sql.TxOptions, f func(context.Context, *sql.Tx) error) error {
	return p.twice(ctx, r, func(on *attempt) error {
		return p.with(ctx, on, func(c *sql.Conn) error {
			on.again = true
			tx, err := c.BeginTx(ctx, o)
			if err != nil {
				return err
			}
			defer tx.Rollback() // after a commit it does nothing
			if err := f(ctx, tx); err != nil {
				return err
			}
			on.again = false
			return tx.Commit()
		})
	})
}

// attempt is what is known of one run of f.
type attempt struct {
	above      uint64 // generations up to this one are of no use
	conn       *conn  // nil = no login
	generation uint64 // of the credentials that were tried
	again      bool   // nothing was done that would be done twice
}

// twice runs f, and once more when credentials stood in its way.
func (p *Pool) twice(ctx context.Context, r Retry, f func(*attempt) error) error {
	first := &attempt{}
	err := f(first)
	switch {
	case err == nil || !first.again:
		return err
	case errors.Is(err, driver.ErrBadConn): // nothing was sent; any *sql.DB tries another connection
		return f(&attempt{})
	case !IsCredentialError(err):
		return err
	}
	if p.Stats().Generation <= first.generation && r.Refused != nil {
		r.Refused(err)
	}
	wait := r.Wait
	if wait <= 0 {
		wait = defaultWait
	}
	if !p.newer(ctx, first.generation, wait) {
		return err
	}
	return f(&attempt{above: first.generation})
}

// with runs f on a connection and notes what it was.
func (p *Pool) with(ctx context.Context, on *attempt, f func(*sql.Conn) error) error {
	for {
		c, err := p.db.Conn(ctx)
		if err != nil {
			if refused, ok := errors.AsType[*loginError](err); ok {
				on.generation, on.again = refused.generation, true
			}
			return err
		}
		if err := c.Raw(func(raw any) error { on.conn = raw.(*conn); return nil }); err != nil {
			_ = c.Close()
			return err
		}
		on.generation = on.conn.generation.n
		if on.generation <= on.above {
			// Just after a switch an older one may still be handed out; given back, it
			// is closed, so this ends.
			_ = c.Close()
			continue
		}
		defer c.Close()
		on.conn.worked.Store(false)
		return f(c)
	}
}

// newer waits until the current generation is newer than gen.
func (p *Pool) newer(ctx context.Context, gen uint64, wait time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		p.mu.Lock()
		g, changed := p.current.Load(), p.changed
		p.mu.Unlock()
		if g != nil && g.n > gen {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		}
	}
}

// loginError is a refused login together with the generation whose credentials
// were refused.
type loginError struct {
	err        error
	generation uint64
}

func (e *loginError) Error() string { return e.err.Error() }
func (e *loginError) Unwrap() error { return e.err }

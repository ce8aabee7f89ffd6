package dbpool

import (
	"context"
	"database/sql/driver"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// driverConn is every optional interface of a connection that database/sql
// asks for. A wrapper that dropped one would silently change behaviour: a
// ping that does not ping, a transaction without isolation level.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// conn is a connection that knows the generation it was opened with. What it
// does not say itself, the driver's connection says.
type conn struct {
	driverConn
	pool       *Pool
	generation *generation
	closed     sync.Once
	worked     atomic.Bool // something was or may have been done: see Do
}

// IsValid is asked when a connection comes back to the pool: false closes it.
func (c *conn) IsValid() bool { return !c.stale() && c.driverConn.IsValid() }

// handover is how long after a switch an older connection may still be given
// to a caller that was waiting for one.
const handover = time.Second

// ResetSession is asked before a connection of the pool is used again;
// ErrBadConn makes database/sql close it and take another. But database/sql
// gives up after three such connections, and under load that many can be on
// their way between IsValid and their next user when the switch happens
// (measured: one query in 20,000 failed). Using such a connection once more is
// right: it works, Drained counts it, and IsValid closes it afterwards. An
// older one that turns up later was overlooked, and its account may be gone.
func (c *conn) ResetSession(ctx context.Context) error {
	if now := c.pool.current.Load(); now != c.generation && time.Since(now.since) > handover {
		return driver.ErrBadConn
	}
	return c.driverConn.ResetSession(ctx)
}

// Close counts after the driver's connection is closed, so that "drained"
// means closed.
func (c *conn) Close() error {
	err := c.driverConn.Close()
	c.closed.Do(func() { c.pool.release(c.generation) })
	return err
}

func (c *conn) stale() bool { return c.pool.current.Load() != c.generation }

// Unwrap returns the driver's own connection of the value that
// (*sql.Conn).Raw passes, for what only the driver offers. Use it inside that
// function only.
func Unwrap(raw any) (driver.Conn, bool) {
	c, ok := raw.(*conn)
	if !ok {
		return nil, false
	}
	return c.driverConn, true
}

// connector opens connections for database/sql.
type connector struct{ pool *Pool }

// Connect opens a connection with the current credentials, again if they were
// replaced meanwhile: then nobody has used the connection yet, or the server
// refused only because the old account is gone.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	for {
		g, err := c.pool.acquire()
		if err != nil {
			return nil, err
		}
		inner, err := g.open(ctx)
		if err != nil {
			c.pool.release(g)
			switch {
			case !IsCredentialError(err):
				return nil, err
			case c.pool.current.Load() != g:
				continue
			}
			return nil, &loginError{err, g.n}
		}
		opened := &conn{driverConn: inner, pool: c.pool, generation: g}
		if opened.stale() {
			_ = opened.Close()
			continue
		}
		return opened, nil
	}
}

// Driver exists for driver.Connector; opening by a DSN string is not possible.
func (c connector) Driver() driver.Driver { return noDSN{} }

type noDSN struct{}

func (noDSN) Open(string) (driver.Conn, error) {
	return nil, fmt.Errorf("dbpool: no DSN strings, use Open")
}

// open dials and logs in.
func (g *generation) open(ctx context.Context) (driverConn, error) {
	opened, err := g.connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	inner, ok := opened.(driverConn)
	if !ok {
		_ = opened.Close()
		return nil, fmt.Errorf("dbpool: the driver's %T lacks an interface this package needs", opened)
	}
	return inner, nil
}

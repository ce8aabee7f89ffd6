package dbpool

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Pool is a *sql.DB whose credentials can be replaced. Make it with Open; all
// methods may be called from any goroutine.
type Pool struct {
	opts Options
	db   *sql.DB

	useMu sync.Mutex // one Use at a time

	current atomic.Pointer[generation] // written under mu, nil before the first Use

	mu      sync.Mutex
	open    map[uint64]int // connections, also those being opened, by generation
	changed chan struct{}  // closed and replaced when open shrinks or current changes
}

// generation is one set of credentials that worked.
type generation struct {
	n         uint64
	user      string
	since     time.Time
	connector driver.Connector
}

// Open makes a Pool that has no credentials yet: it does not connect.
func Open(o Options) (*Pool, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Pool{opts: o, open: map[uint64]int{}, changed: make(chan struct{})}
	p.db = sql.OpenDB(connector{p})
	p.db.SetMaxOpenConns(o.MaxConns)
	p.db.SetMaxIdleConns(o.MaxConns) // fewer would close and open connections all the time
	p.db.SetConnMaxLifetime(o.MaxLifetime)
	p.db.SetConnMaxIdleTime(o.MaxIdleTime)
	return p, nil
}

// DB is the pool for queries; always the same one.
func (p *Pool) DB() *sql.DB { return p.db }

// Close closes the pool for good.
func (p *Pool) Close() error { return p.db.Close() }

// Use makes c the current generation if one connection can be opened and
// pinged with it. Otherwise it changes nothing and returns the error, which
// never holds the password. Use does not wait for older connections: see
// Drained. Each success is a new generation, also with the same Config.
func (p *Pool) Use(ctx context.Context, c Config) error {
	p.useMu.Lock()
	defer p.useMu.Unlock()
	next, err := p.try(ctx, c)
	if err != nil {
		return fmt.Errorf("dbpool: credentials of %q at %s: %w", c.User, c.addr(), err)
	}
	next.since = time.Now()
	p.mu.Lock()
	p.current.Store(next)
	p.tell()
	p.mu.Unlock()
	p.closeIdle()
	return nil
}

// try returns the generation that would come next.
func (p *Pool) try(ctx context.Context, c Config) (*generation, error) {
	inner, err := mysql.NewConnector(p.opts.driverConfig(c))
	if err != nil {
		return nil, err
	}
	next := &generation{n: 1, user: c.User, connector: inner}
	if g := p.current.Load(); g != nil {
		next.n = g.n + 1
	}
	// The driver's timeouts guard each step; this one the whole attempt.
	ctx, cancel := context.WithTimeout(ctx, 2*p.opts.DialTimeout)
	defer cancel()
	trial, err := next.open(ctx)
	if err != nil {
		return nil, err
	}
	defer trial.Close()
	if err := trial.Ping(ctx); err != nil {
		return nil, err
	}
	return next, nil
}

// closeIdle closes all idle connections: database/sql offers no way to close
// only some. The few of the current generation are opened again at need.
func (p *Pool) closeIdle() {
	p.db.SetMaxIdleConns(0)
	p.db.SetMaxIdleConns(p.opts.MaxConns)
}

// acquire counts a connection before it is opened, so that Drained cannot
// miss one that is on its way.
func (p *Pool) acquire() (*generation, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.current.Load()
	if g == nil {
		return nil, ErrNoCredentials
	}
	p.open[g.n]++
	return g, nil
}

func (p *Pool) release(g *generation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[g.n]--; p.open[g.n] == 0 {
		delete(p.open, g.n)
	}
	p.tell()
}

// tell wakes who waits for a change. The caller holds mu.
func (p *Pool) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

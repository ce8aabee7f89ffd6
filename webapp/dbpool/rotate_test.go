package dbpool

import (
	"context"
	"database/sql"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestRotationUnderLoad replaces the credentials every 300 ms under 40 busy
// goroutines, and revokes the old account the moment Drained returns. Table
// grants are the hard case: there a dropped account's session fails at once,
// while with database grants it goes on and would hide a bad drain.
func TestRotationUnderLoad(t *testing.T) {
	for _, grant := range []string{"app.*", "app.t"} {
		t.Run(grant, func(t *testing.T) { rotateUnderLoad(t, grant) })
	}
}

func rotateUnderLoad(t *testing.T, grant string) {
	p := newPool(t, Options{MaxConns: 32})
	current := newUser(t, grant)
	use(t, p, current)
	load := startLoad(p.DB(), 40)

	var drains []time.Duration
	ticks := time.NewTicker(300 * time.Millisecond)
	defer ticks.Stop()
	for range 10 {
		<-ticks.C
		next := newUser(t, grant)
		use(t, p, next)
		drains = append(drains, drained(t, p))
		dropUser(t, current)
		old := current
		current = next
		waitFor(t, "no session of the old user", func() bool { return sessions(t, old.User) == 0 })
	}
	load.stop(t)
	t.Logf("%d transactions and queries, 10 rotations, drained in %v to %v", load.ok.Load(), slices.Min(drains), slices.Max(drains))
	if slices.Max(drains) > time.Second {
		t.Errorf("slow drain: %v", drains)
	}
	if s := p.Stats(); s.Generation != 11 || s.Draining() != 0 || s.User != current.User {
		t.Errorf("stats: %+v", s)
	}
}

// load is a crowd of clients that use the pool as programs do.
type load struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
	ok     atomic.Int64
	failed atomic.Int64
	first  atomic.Value
}

func startLoad(db *sql.DB, clients int) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel}
	for i := range clients {
		work := []func(*sql.DB) error{transaction, query, insert, prepared}[i%4]
		l.wg.Go(func() {
			for ctx.Err() == nil {
				if err := work(db); err != nil {
					l.failed.Add(1)
					l.first.CompareAndSwap(nil, err.Error())
					continue
				}
				l.ok.Add(1)
			}
		})
	}
	return l
}

func (l *load) stop(t *testing.T) {
	t.Helper()
	l.cancel()
	l.wg.Wait()
	if n := l.failed.Load(); n != 0 {
		t.Errorf("%d of %d failed, first: %v", n, n+l.ok.Load(), l.first.Load())
	}
}

func transaction(db *sql.DB) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var n int
	if err := tx.QueryRow("SELECT COUNT(*) FROM (SELECT SLEEP(0.002) FROM t LIMIT 1) x").Scan(&n); err != nil {
		return err
	}
	if _, err := tx.Exec("INSERT INTO app.t (b) VALUES (?)", "in a transaction"); err != nil {
		return err
	}
	return tx.Commit()
}

func query(db *sql.DB) error {
	rows, err := db.Query("SELECT id, b FROM t ORDER BY id LIMIT 10")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int
		var b string
		if err := rows.Scan(&id, &b); err != nil {
			return err
		}
	}
	return rows.Err()
}

func insert(db *sql.DB) error {
	_, err := db.Exec("INSERT INTO t (b) VALUES ('alone')")
	return err
}

func prepared(db *sql.DB) error {
	st, err := db.Prepare("SELECT COUNT(*) FROM app.t WHERE id = ?")
	if err != nil {
		return err
	}
	defer st.Close()
	for i := range 3 {
		var n int
		if err := st.QueryRow(i).Scan(&n); err != nil {
			return err
		}
	}
	return nil
}

// TestIdleConnectionsDrainAtOnce measures what nobody uses.
func TestIdleConnectionsDrainAtOnce(t *testing.T) {
	p := newPool(t, Options{MaxConns: 32})
	old := newUser(t, "app.t")
	use(t, p, old)
	l := startLoad(p.DB(), 40)
	waitFor(t, "a full pool", func() bool { return p.DB().Stats().OpenConnections == 32 })
	l.stop(t)
	if p.Stats().Open[1] == 0 {
		t.Fatal("nothing to drain")
	}
	use(t, p, newUser(t, "app.t"))
	left, took := p.Stats().Draining(), drained(t, p)
	t.Logf("right after Use %d old connections, none after another %v", left, took)
	if took > 200*time.Millisecond {
		t.Errorf("drained in %v", took)
	}
	dropUser(t, old)
	if err := query(p.DB()); err != nil {
		t.Error(err)
	}
}

// TestATransactionKeepsItsConnection and Drained waits for it.
func TestATransactionKeepsItsConnection(t *testing.T) {
	p := newPool(t, Options{})
	use(t, p, newUser(t, "app.t"))
	tx, err := p.DB().Begin()
	if err != nil {
		t.Fatal(err)
	}
	use(t, p, newUser(t, "app.t"))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := p.Drained(ctx, 2); err == nil {
		t.Error("drained with an open transaction")
	} else {
		t.Log(err)
	}
	if s := p.Stats(); s.Open[1] != 1 || s.Draining() != 1 || s.Generation != 2 {
		t.Errorf("stats: %+v", s)
	}
	if _, err := tx.Exec("INSERT INTO t (b) VALUES ('x')"); err != nil {
		t.Error(err)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	t.Logf("after the commit: %v", drained(t, p))
}

// TestOverlookedConnectionIsDiscarded: an idle connection that outlived its
// generation is not used again.
func TestOverlookedConnectionIsDiscarded(t *testing.T) {
	p := newPool(t, Options{})
	use(t, p, newUser(t, "app.t"))
	if err := query(p.DB()); err != nil {
		t.Fatal(err)
	}
	next := *p.current.Load()
	next.n, next.since = 2, time.Now().Add(-2*handover)
	p.current.Store(&next) // a switch that forgets the idle ones
	if err := query(p.DB()); err != nil {
		t.Error(err)
	}
	if s := p.Stats(); s.Open[1] != 0 || s.Open[2] != 1 {
		t.Errorf("%+v", s)
	}
}

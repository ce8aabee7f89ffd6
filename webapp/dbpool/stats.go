package dbpool

import (
	"context"
	"fmt"
	"maps"
	"time"
)

// Stats is a Pool's state at one moment.
type Stats struct {
	Generation  uint64         // the current one; 0: no credentials yet
	Generations uint64         // how many there were so far
	User        string         // of the current generation
	Since       time.Time      // when it became current
	Open        map[uint64]int // open connections by generation, those being opened included
}

// Draining is the number of open connections of older generations.
func (s Stats) Draining() int { return older(s.Open, s.Generation) }

// Stats returns the state of now.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{Open: maps.Clone(p.open)}
	if g := p.current.Load(); g != nil {
		s.Generation, s.Generations, s.User, s.Since = g.n, g.n, g.user, g.since
	}
	return s
}

const (
	firstSweep = time.Millisecond
	lastSweep  = time.Second
)

// Drained waits until no connection of a generation older than gen is open.
// Call it with the current generation right after Use: when it returns nil, no
// session of the old account is left. Connections that were idle at the switch
// are closed at once, those in use when they are given back, so a transaction
// that never ends keeps Drained waiting: give ctx a deadline.
func (p *Pool) Drained(ctx context.Context, gen uint64) error {
	pause := firstSweep
	sweep := time.NewTimer(pause)
	defer sweep.Stop()
	for {
		p.mu.Lock()
		left, changed := older(p.open, gen), p.changed
		p.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("dbpool: %d connections older than generation %d are still in use: %w", left, gen, ctx.Err())
		case <-changed:
		case <-sweep.C:
			// A connection that was judged valid just before the switch can have
			// become idle just after it. Sweep for such, less and less often,
			// because it costs the idle connections of the new generation too.
			if p.db.Stats().Idle > 0 {
				p.closeIdle()
			}
			pause = min(2*pause, lastSweep)
			sweep.Reset(pause)
		}
	}
}

func older(open map[uint64]int, gen uint64) int {
	n := 0
	for g, conns := range open {
		if g < gen {
			n += conns
		}
	}
	return n
}

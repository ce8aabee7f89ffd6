package web

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"vault-renderer/webapp/credfile"
	"vault-renderer/webapp/dbpool"
)

const (
	pingEvery   = 2 * time.Second
	pingTimeout = 2 * time.Second
	firstRetry  = time.Second
	lastRetry   = 30 * time.Second
)

// offer is what was found in the configuration file.
type offer struct {
	creds credfile.Creds
	err   error
}

// Offer hands over what the configuration file holds now; it has the form that
// credfile's Run reports in. It never blocks, and a newer offer replaces one
// that was not looked at yet. One goroutine may call it.
func (a *App) Offer(c credfile.Creds, err error) {
	select {
	case <-a.offers:
	default:
	}
	a.offers <- offer{c, err}
}

// keeper is Run's own state.
type keeper struct {
	*App
	wanted *credfile.Creds // in the file but not in use; nil: nothing to try
	pause  time.Duration   // before the next try
	retry  <-chan time.Time
	drains sync.WaitGroup
	acking sync.Mutex
}

// Run puts offered credentials to use, keeps trying those that are refused
// while the old ones serve, and watches whether the database answers. It
// returns nil when ctx has ended.
func (a *App) Run(ctx context.Context) error {
	k := &keeper{App: a}
	defer k.drains.Wait()
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case o := <-a.offers:
			k.take(ctx, o)
		case <-k.retry:
			k.try(ctx)
		case <-ping.C:
			k.ping(ctx)
		}
	}
}

// take decides what an offer means.
func (k *keeper) take(ctx context.Context, o offer) {
	k.wanted, k.retry, k.pause = nil, nil, firstRetry
	if o.err != nil {
		k.log.Warn("no credentials in the configuration", "error", o.err)
		k.update(func(s *state) { s.fileErr, s.refused = o.err, "" })
		return
	}
	k.update(func(s *state) { s.fileErr = nil })
	if s := k.state.Load(); s.generation != 0 && s.digest == o.creds.Digest {
		// The file is back at what is in use: what came between is forgotten.
		k.update(func(s *state) { s.refused = "" })
		return
	}
	k.wanted = &o.creds
	k.try(ctx)
}

// try puts the wanted credentials to use, or plans the next try.
func (k *keeper) try(ctx context.Context) {
	if err := k.opts.Pool.Use(ctx, ConfigOf(*k.wanted)); err != nil {
		k.failed(ctx, err)
		return
	}
	stats, digest := k.opts.Pool.Stats(), k.wanted.Digest
	k.log.Info("new credentials in use", "user", k.wanted.User, "generation", stats.Generation, "digest", digest)
	k.wanted, k.retry = nil, nil
	k.update(func(s *state) { *s = state{digest: digest, generation: stats.Generation} })
	k.drains.Go(func() { k.drain(ctx, stats.Generation) })
}

func (k *keeper) failed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	reason := refusal(*k.wanted, err)
	if k.state.Load().refused != reason { // a repeated one is logged on change only
		k.log.Warn("new credentials not in use", "user", k.wanted.User, "error", err)
	}
	k.update(func(s *state) { s.refused = reason })
	k.tell(err)
	if dbpool.ErrorNumber(err) == 0 {
		// Nobody answered: that costs the server nothing, so ask often.
		k.retry = time.After(pingEvery)
		return
	}
	k.retry = time.After(k.pause)
	k.pause = min(2*k.pause, lastRetry)
}

// drain waits for the older generations and says so.
func (k *keeper) drain(ctx context.Context, generation uint64) {
	if k.opts.Pool.Stats().Draining() == 0 && generation == 1 {
		k.acknowledge() // there was no older one
		return
	}
	began := time.Now()
	if err := k.opts.Pool.Drained(ctx, generation); err != nil {
		return // shutting down
	}
	k.log.Info("old pool drained", "generation", generation, "took", time.Since(began).Round(time.Microsecond))
	k.acknowledge()
}

// acknowledge writes which configuration is in use, for whoever waits for that:
// the same as the report has, so nothing as long as older credentials are in use.
func (k *keeper) acknowledge() {
	k.acking.Lock()
	defer k.acking.Unlock()
	digest := k.report().Digest
	if k.opts.AckPath == "" || digest == "" {
		return
	}
	temp := k.opts.AckPath + ".new"
	err := os.WriteFile(temp, []byte(digest+"\n"), 0o644)
	if err == nil {
		err = os.Rename(temp, k.opts.AckPath)
	}
	if err != nil {
		k.log.Error("the configuration in use can't be acknowledged", "error", err)
	}
}

// ping keeps readiness true to the database's state.
func (k *keeper) ping(ctx context.Context) {
	s := k.state.Load()
	if s.generation == 0 {
		return
	}
	pingCtx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	err := k.opts.Pool.DB().PingContext(pingCtx)
	switch {
	case ctx.Err() != nil:
		return
	case err == nil:
		if s.down != "" {
			k.log.Info("database answers again")
		}
		k.lastErr.Store(nil)
		k.update(func(s *state) { s.down = "" })
	default:
		if errors.Is(err, context.DeadlineExceeded) {
			err = errors.New("no answer in time")
		}
		k.noteError(err)
		k.update(func(s *state) { s.down = outage(k.opts.Pool.Stats().User, err) })
	}
}

// noteError logs a database error when it is another than before, and has the
// configuration read again when newer credentials could help.
func (a *App) noteError(err error) {
	text := err.Error()
	if last := a.lastErr.Swap(&text); last == nil || *last != text {
		a.log.Warn("database error", "error", err)
	}
	if dbpool.IsCredentialError(err) {
		a.opts.Reread()
	}
	a.tell(err)
}

// tell lets the renderer know that credentials were refused. The server's words
// stay here: they name the account.
func (a *App) tell(err error) {
	if dbpool.IsCredentialError(err) {
		a.opts.Refused(fmt.Sprintf("the database refused the newest credentials: error %d", dbpool.ErrorNumber(err)))
	}
}

// update replaces the state by a changed copy. Only Run's goroutine calls it.
func (k *keeper) update(change func(*state)) {
	next := *k.state.Load()
	change(&next)
	k.state.Store(&next)
}

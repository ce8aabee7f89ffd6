package method

import (
	"context"
	"time"
)

// poll looks every period, until ctx ends, and calls changed when there is a
// credential that the last login did not use: once for each. A look that finds
// none (ok is false) is no change: a credential is used and removed, or is
// about to be replaced. Before the first login, that is with a token of an
// earlier run, it is the first credential seen that the others differ from; not
// where credentials are removed, since then one that is there is new.
func poll(ctx context.Context, period time.Duration, removes bool, look func() (now string, ok bool), used func() string, changed func()) {
	if period <= 0 {
		period = time.Minute
	}
	t := time.NewTicker(period)
	defer t.Stop()
	told := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now, ok := look()
		switch {
		case !ok:
		case now == used():
			told = ""
		case told == "" && used() == "" && !removes:
			told = now
		case now != told:
			told = now
			changed()
		}
	}
}

// watch polls f for another credential than c; removes says that it is removed
// after its use.
func (c *cached) watch(ctx context.Context, f file, period time.Duration, removes bool, changed func()) {
	poll(ctx, period, removes, func() (string, bool) {
		v, err := f.read()
		return v, err == nil
	}, c.get, changed)
}

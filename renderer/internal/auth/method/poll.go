package method

import (
	"context"
	"time"
)

// poll looks every period, until ctx ends, and calls changed when there is a
// credential that the last login did not use: once for each. A look that finds
// none (ok is false) is no change: a credential is used and removed, or is
// about to be replaced.
func poll(ctx context.Context, period time.Duration, look func() (now string, ok bool), used func() string, changed func()) {
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
		case now != told:
			told = now
			changed()
		}
	}
}

// watch polls f for another credential than c.
func (c *cached) watch(ctx context.Context, f file, period time.Duration, changed func()) {
	poll(ctx, period, func() (string, bool) {
		v, err := f.read()
		return v, err == nil
	}, c.get, changed)
}

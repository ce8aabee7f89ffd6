package cloud

import (
	"context"
	"log/slog"
	"time"
)

// Poll looks for whose (a cloud's) credentials every so often, a minute when
// every is 0, and calls changed when they differ, until ctx ends. A look that
// fails is no change, and is logged when it fails otherwise than the one before.
func Poll(ctx context.Context, every time.Duration, log *slog.Logger, whose string, look func(context.Context) (differs bool, err error), changed func()) {
	if every <= 0 {
		every = time.Minute
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		differs, err := look(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			said = ""
			if differs {
				changed()
			}
		case err.Error() != said:
			said = err.Error()
			log.Warn("the "+whose+" credentials could not be looked at; the next try follows", "in", every, "error", err)
		}
	}
}

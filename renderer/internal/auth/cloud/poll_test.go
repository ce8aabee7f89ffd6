package cloud_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/auth/cloud"
)

// TestPoll: one call of changed for each look that finds other credentials,
// one line in the log for each other reason why a look fails.
func TestPoll(t *testing.T) {
	for _, c := range []struct {
		every, period time.Duration
		looks         []any // what they find: whether it differs, or an error
		changes       string
		warnings      int
	}{
		{0, time.Minute, []any{false, true, true, false}, "[2 3]", 0},
		{-1, time.Minute, []any{true}, "[1]", 0},
		{10 * time.Second, 10 * time.Second, []any{errors.New("a"), errors.New("a"), true, errors.New("a"), errors.New("b")}, "[3]", 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			var changes []int
			looks, start := 0, time.Now()
			ctx, cancel := context.WithCancel(t.Context())
			look := func(context.Context) (bool, error) {
				looks++
				if at := time.Since(start); at != time.Duration(looks)*c.period {
					t.Errorf("look %d after %v", looks, at)
				}
				switch found := c.looks[looks-1].(type) {
				case error:
					return true, found
				default:
					return found.(bool), nil
				}
			}
			go cloud.Poll(ctx, c.every, slog.New(slog.NewTextHandler(&log, nil)), "test", look, func() { changes = append(changes, looks) })
			time.Sleep(time.Duration(len(c.looks))*c.period + c.period/2)
			cancel()
			synctest.Wait()
			if got := fmt.Sprint(changes); got != c.changes || looks != len(c.looks) {
				t.Errorf("changes at %s of %d looks, want %s", got, looks, c.changes)
			}
			if n := strings.Count(log.String(), "the test credentials could not be looked at"); n != c.warnings {
				t.Errorf("%d warnings, want %d:\n%s", n, c.warnings, &log)
			}
		})
	}
}

// TestPollEnds: what a look finds when it is told to stop counts for nothing.
func TestPollEnds(t *testing.T) {
	for _, err := range []error{nil, context.Canceled} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			ctx, cancel := context.WithCancel(t.Context())
			look := func(context.Context) (bool, error) {
				cancel()
				return true, err
			}
			cloud.Poll(ctx, 0, slog.New(slog.NewTextHandler(&log, nil)), "test", look, func() { t.Error("changed") })
			if log.Len() != 0 {
				t.Error(&log)
			}
		})
	}
}

package watch_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/watch"
)

// jumps runs Jumps in fake time and gives what it told after f has set the
// clocks.
func jumps(t *testing.T, f func(set func(wall, mono time.Duration))) (told []time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var wall, mono time.Duration
		start := time.Now()
		now := func() (time.Time, time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(wall), time.Since(start) + mono
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- watch.Jumps(ctx, 5*time.Second, now, func(by time.Duration) { told = append(told, by.Round(time.Second)) })
		}()
		f(func(w, m time.Duration) {
			mu.Lock()
			wall, mono = wall+w, mono+m
			mu.Unlock()
			time.Sleep(time.Minute)
		})
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return told
}

func TestJumps(t *testing.T) {
	for name, c := range map[string]struct{ wall, mono, want time.Duration }{
		"nothing":                {0, 0, 0},
		"NTP":                    {time.Second, 0, 0},
		"the host slept":         {8 * time.Hour, 0, 8 * time.Hour},
		"the clock was set back": {-time.Hour, 0, -time.Hour},
		"the machine was paused": {time.Minute, time.Minute, time.Minute},
	} {
		told := jumps(t, func(set func(wall, mono time.Duration)) {
			set(0, 0)
			set(c.wall, c.mono)
			set(0, 0)
		})
		want := []time.Duration{c.want}
		if c.want == 0 {
			want = nil
		}
		if !slices.Equal(told, want) {
			t.Errorf("%s: told %v", name, told)
		}
	}
}

// The process's own clocks agree.
func TestJumpsWithoutOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		err := watch.Jumps(ctx, time.Second, nil, func(by time.Duration) { t.Errorf("a jump by %v", by) })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

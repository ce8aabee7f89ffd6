package rollout_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/rollout"
)

// hook takes a while and fails as often as it is told to.
type hook struct {
	t     *testing.T
	takes time.Duration
	fail  atomic.Int64
	began []time.Duration // since start
	start time.Time
	busy  atomic.Bool
}

func (h *hook) Key() string    { return "key" }
func (h *hook) String() string { return "hook" }

func (h *hook) Run(ctx context.Context) error {
	if h.busy.Swap(true) {
		h.t.Error("two at once")
	}
	defer h.busy.Store(false)
	h.began = append(h.began, time.Since(h.start))
	select {
	case <-time.After(h.takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	if h.fail.Add(-1) >= 0 {
		return errors.New("refused")
	}
	return nil
}

// notifying runs f with a running Notifier; told gives what it told so far.
func notifying(t *testing.T, takes time.Duration, f func(h *hook, n *rollout.Notifier, told func() []rollout.Told)) {
	synctest.Test(t, func(t *testing.T) {
		h := &hook{t: t, takes: takes, start: time.Now()}
		n := rollout.NewNotifier(h, nil)
		if n.Hook() != h {
			t.Error("another hook")
		}
		ctx, cancel := context.WithCancel(t.Context())
		out, done := make(chan rollout.Told, 100), make(chan error)
		go func() { done <- n.Run(ctx, out) }()
		f(h, n, func() (all []rollout.Told) {
			synctest.Wait()
			for len(out) > 0 {
				all = append(all, <-out)
			}
			return all
		})
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	})
}

// Changes that come while the hook runs lead to one more run, for the newest.
func TestNotifierCoalesces(t *testing.T) {
	notifying(t, 10*time.Second, func(h *hook, n *rollout.Notifier, told func() []rollout.Told) {
		n.Notify(1)
		time.Sleep(time.Second)
		for c := uint64(2); c <= 9; c++ {
			n.Notify(c)
		}
		time.Sleep(time.Hour)
		got := told()
		if len(got) != 2 || got[0].Change != 1 || got[1].Change != 9 || got[1].Err != nil || got[1].Key != "key" {
			t.Errorf("told %+v", got)
		}
		if want := []time.Duration{0, 10 * time.Second}; !slices.Equal(h.began, want) {
			t.Errorf("began %v, want %v", h.began, want)
		}
	})
}

// A failure is tried again, later and later, until it succeeds.
func TestNotifierRetries(t *testing.T) {
	notifying(t, 0, func(h *hook, n *rollout.Notifier, told func() []rollout.Told) {
		h.fail.Store(9)
		n.Notify(1)
		time.Sleep(time.Hour)
		want := []time.Duration{0, 1, 3, 7, 15, 31, 63, 123, 183, 243} // doubling up to a minute
		for i := range want {
			want[i] *= time.Second
		}
		got := told()
		if !slices.Equal(h.began, want) {
			t.Errorf("began %v, want %v", h.began, want)
		}
		for i, x := range got {
			if last := i == len(got)-1; (x.Err == nil) != last || (x.Next == 0) != last || x.Change != 1 {
				t.Errorf("told %d: %+v", i, x)
			}
		}
	})
}

// A newer change is told at once, and its failures are counted anew.
func TestNotifierNewerChangeResets(t *testing.T) {
	notifying(t, 0, func(h *hook, n *rollout.Notifier, told func() []rollout.Told) {
		h.fail.Store(1000)
		n.Notify(1)
		time.Sleep(10 * time.Minute)
		told()
		n.Notify(2)
		got := told()
		if len(got) != 1 || got[0].Change != 2 || got[0].Next != time.Second {
			t.Errorf("told %+v", got)
		}
		h.fail.Store(0)
		time.Sleep(time.Second)
		if got := told(); len(got) != 1 || got[0].Change != 2 || got[0].Err != nil {
			t.Errorf("told %+v", got)
		}
		time.Sleep(time.Hour)
		if got := told(); len(got) != 0 {
			t.Errorf("after success: %+v", got)
		}
	})
}

// The end of the context ends a hook under way; nobody is told of that.
func TestNotifierEnds(t *testing.T) {
	notifying(t, 100*time.Hour, func(_ *hook, n *rollout.Notifier, told func() []rollout.Told) {
		n.Notify(1)
		if got := told(); len(got) != 0 {
			t.Errorf("told %+v", got)
		}
	})
}

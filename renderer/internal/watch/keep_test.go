package watch_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
	"vault-renderer/renderer/internal/watch"
)

// keeping runs f beside Keep for a lease of 600 s; over says how Keep ended.
func keeping(t *testing.T, s *server, own bool, f func(news func(time.Duration) []watch.Kept, over chan error)) {
	synctest.Test(t, func(t *testing.T) {
		s.start = time.Now()
		client, err := vault.New(vault.Options{Address: "http://vault", Transport: s})
		if err != nil {
			t.Fatal(err)
		}
		out, over := make(chan watch.Kept, 1000), make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			over <- watch.Keep(ctx, watch.KeepOptions{
				Session: client.With(vault.NewToken("canary-own-1"), 1), Own: own,
				Lease: lease.Lease{ID: "secret/x/canary-lease", TTL: 600 * time.Second, Renewable: true, IssuedAt: time.Now()},
				Log:   slog.New(slog.DiscardHandler),
			}, out)
		}()
		f(func(d time.Duration) (all []watch.Kept) {
			time.Sleep(d)
			synctest.Wait()
			for len(out) > 0 {
				all = append(all, <-out)
			}
			return all
		}, over)
		cancel()
		synctest.Wait()
		select {
		case err := <-over:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Keep ended with %v", err)
			}
		default: // f has seen its end
		}
	})
}

// A superseded lease is renewed until nobody needs it.
func TestKeep(t *testing.T) {
	s := &server{renew: always(200, renewed(600))}
	children(s, 900)
	keeping(t, s, true, func(news func(time.Duration) []watch.Kept, over chan error) {
		got := news(1300 * time.Second)
		equal(t, "renewed", s.when("renew"), 400, 800, 1200)
		equal(t, "token renewed", s.when(prolong), 600, 1200)
		if len(got) != 3 || got[2].ID != "secret/x/canary-lease" || got[2].Lease.TTL != 600*time.Second || got[2].Ended || got[2].Last {
			t.Errorf("news %+v", got)
		}
		if len(over) != 0 {
			t.Errorf("ended: %v", <-over)
		}
	})
}

// Its end is told: the one that can't be put off, the one that Vault made, and
// that of the token.
func TestKeepUntilTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		renew func() (int, string)
		other map[string]func() (int, string)
		at    time.Duration
		news  int
	}{
		"the longest life": {always(200, renewed(200)), nil, 600 * time.Second, 2},
		"a refusal":        {always(403, deniedBody), nil, 600 * time.Second, 2},
		"Vault away":       {always(500, "{}"), nil, 600 * time.Second, 1},
		"revoked":          {always(200, renewed(600)), lookup(always(400, goneBody)), 60 * time.Second, 1},
		"the token ended":  {always(403, noTokenBody), nil, 400 * time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{renew: c.renew, other: c.other}
			keeping(t, s, false, func(news func(time.Duration) []watch.Kept, over chan error) {
				got := news(c.at - time.Second)
				if len(over) != 0 {
					t.Fatalf("ended early: %v", got)
				}
				got = append(got, news(2*time.Second)...)
				if len(over) != 1 || <-over != nil || len(got) != c.news || !got[len(got)-1].Ended {
					t.Errorf("news %+v", got)
				}
			})
		})
	}
}

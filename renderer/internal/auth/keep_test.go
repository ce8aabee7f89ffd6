package auth_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/auth"
	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// keepToken runs KeepToken for d and gives what it told, and how it ended.
func keepToken(t *testing.T, s *server, l lease.Lease, last bool, d time.Duration) (told []auth.Kept, err error) {
	synctest.Test(t, func(t *testing.T) {
		s.start = time.Now()
		l.IssuedAt = s.start
		client, cerr := vault.New(vault.Options{Address: "http://vault", Transport: s})
		if cerr != nil {
			t.Fatal(cerr)
		}
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		out := make(chan auth.Kept, 1000)
		err = auth.KeepToken(ctx, auth.KeepOptions{
			Session: client.With(vault.NewToken("canary-old"), 7), Lease: l, Last: last, Log: slog.New(slog.DiscardHandler),
		}, out)
		close(out)
		for k := range out {
			if k.N != 7 {
				t.Errorf("%+v", k)
			}
			told = append(told, k)
		}
	})
	return told, err
}

func minute() lease.Lease { return lease.Lease{TTL: time.Minute, Renewable: true} }

// It is renewed until nobody needs it any more.
func TestKeepToken(t *testing.T) {
	s := &server{renew: func() (int, string) { return granted(60) }}
	told, err := keepToken(t, s, minute(), false, 100*time.Second)
	if !errors.Is(err, context.DeadlineExceeded) || s.log() != "renew 40, renew 80" || len(told) != 2 || told[1].Lease.TTL != time.Minute || told[1].Ended {
		t.Errorf("%v, %s, %+v", err, s.log(), told)
	}
}

// At its end that is told: after the last renewal, when Vault does not know it
// any more, when it can't be renewed, when Vault was away.
func TestKeepTokenEnds(t *testing.T) {
	for name, c := range map[string]struct {
		renew func() (int, string)
		last  bool
		asked string
		told  int
		ends  time.Duration
	}{
		"last":    {nil, true, "", 1, time.Minute},
		"shorter": {func() (int, string) { return granted(30) }, false, "renew 40", 2, 70 * time.Second},
		"gone":    {always(403, `{"errors":["bad token"]}`), false, "renew 40", 1, 40 * time.Second},
		"denied":  {always(403, `{"errors":["permission denied"]}`), false, "renew 40", 2, time.Minute},
		"away":    {always(500, `{}`), false, "renew 40, renew 40.5, renew 41.5, renew 43.5, renew 47.5, renew 55.5, renew 60", 1, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{renew: c.renew}
			var took time.Duration
			told, err := keepToken(t, s, minute(), c.last, time.Hour)
			if len(told) > 0 {
				took = told[len(told)-1].Lease.ExpiresAt().Sub(s.start)
			}
			if name == "gone" {
				took = c.ends
			}
			if err != nil || s.log() != c.asked || len(told) != c.told || !told[len(told)-1].Ended || took != c.ends {
				t.Errorf("%v, %s, %+v, after %v", err, s.log(), told, took)
			}
		})
	}
}

// A token without an end is left alone.
func TestKeepTokenForEver(t *testing.T) {
	s := &server{}
	told, err := keepToken(t, s, lease.Lease{}, false, 1000*time.Hour)
	if !errors.Is(err, context.DeadlineExceeded) || s.log() != "" || len(told) != 0 {
		t.Errorf("%v, %s, %+v", err, s.log(), told)
	}
}

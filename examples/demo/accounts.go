package main

import (
	"context"
	"time"

	"vault-renderer/testbed/mariadb"
)

// pollAccounts is how often MySQL is asked for its accounts.
const pollAccounts = 50 * time.Millisecond

// accounts follows the accounts that Vault makes and drops. One goroutine at a
// time may use it.
type accounts struct {
	*timeline
	db   *mariadb.Server
	born map[string]time.Time // those that live
	made int
}

// poll looks once.
func (a *accounts) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	users, err := a.db.Users(ctx)
	if err != nil {
		return err
	}
	now, here := time.Now(), map[string]bool{}
	for _, u := range users {
		here[u] = true
		if _, known := a.born[u]; !known {
			a.born[u] = now
			a.made++
			a.say(fromVault, "made the MySQL account %s", u)
		}
	}
	for u, since := range a.born {
		if !here[u] {
			delete(a.born, u)
			a.say(fromVault, "dropped the account %s after %.1fs", u, now.Sub(since).Seconds())
		}
	}
	return nil
}

// follow polls until ctx ends.
func (a *accounts) follow(ctx context.Context) error {
	return a.every(ctx, func() bool { return false })
}

// untilGone polls until no account lives or ctx ends.
func (a *accounts) untilGone(ctx context.Context) error {
	return a.every(ctx, func() bool { return len(a.born) == 0 })
}

func (a *accounts) every(ctx context.Context, enough func() bool) error {
	tick := time.NewTicker(pollAccounts)
	defer tick.Stop()
	for {
		// A poll that began is finished, so that what is known is true.
		if err := a.poll(context.WithoutCancel(ctx)); err != nil || enough() {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

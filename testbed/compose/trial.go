package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// trial is one run of everything.
type trial struct {
	*stack
	*load
	began time.Time
	seen  string // the account that the webapp used last
}

// up starts everything and the load.
func (t *trial) up(ctx context.Context) error {
	if _, err := t.compose(ctx, "up", "-d"); err != nil {
		return err
	}
	if err := t.healthy(ctx, "webapp"); err != nil {
		return err
	}
	address, err := t.compose(ctx, "port", "webapp", "5000")
	if err != nil {
		return err
	}
	t.base = "http://" + strings.TrimSpace(address)
	if t.seen, err = t.account(ctx); err != nil {
		return err
	}
	t.start(ctx)
	return nil
}

// healthy waits for a service's own health check.
func (t *trial) healthy(ctx context.Context, service string) error {
	id, err := t.compose(ctx, "ps", "-q", service)
	if err != nil {
		return err
	}
	return await(ctx, time.Minute, service+" is healthy", func() (bool, error) {
		state, err := t.output(ctx, "docker", "inspect", "--format", "{{.State.Health.Status}}", strings.TrimSpace(id))
		return strings.TrimSpace(state) == "healthy", err
	})
}

// account is the one that the webapp uses.
func (t *trial) account(ctx context.Context) (string, error) {
	body, err := t.get(ctx, "/-/generation")
	if err != nil {
		return "", err
	}
	var g struct{ User string }
	if err := json.Unmarshal([]byte(body), &g); err != nil {
		return "", err
	}
	if g.User == "" {
		return "", errors.New("the webapp uses no account")
	}
	return g.User, nil
}

// rotation waits until the webapp uses another account, and until that one is
// the only one: the old one is revoked.
func (t *trial) rotation(ctx context.Context) error {
	err := await(ctx, 90*time.Second, "another account", func() (bool, error) {
		now, err := t.account(ctx)
		changed := err == nil && now != t.seen
		if changed {
			t.seen = now
		}
		return changed, err
	})
	if err != nil {
		return err
	}
	return await(ctx, 15*time.Second, "the old account is revoked", func() (bool, error) {
		all, err := t.accounts(ctx)
		return len(all) == 1 && all[0] == t.seen, err
	})
}

func (t *trial) rotations(ctx context.Context) error {
	return errors.Join(t.rotation(ctx), t.rotation(ctx))
}

// accounts asks the database which accounts of Vault's there are.
func (t *trial) accounts(ctx context.Context) ([]string, error) {
	const script = `umask 077; printf '[client]\npassword=%s\n' "$(cat "$MARIADB_ROOT_PASSWORD_FILE")" >/tmp/root.cnf &&
		mariadb --defaults-file=/tmp/root.cnf --user=root --socket=/run/mysqld/mysqld.sock -N -e "SELECT user FROM mysql.user WHERE user LIKE 'v-%'"`
	out, err := t.compose(ctx, "exec", "-T", "database", "sh", "-c", script)
	return strings.Fields(out), err
}

// restartRenderer comes right after a rotation: nothing is due, so a renderer
// that takes up what was there makes no account, and the webapp keeps its own.
func (t *trial) restartRenderer(ctx context.Context) error {
	if _, err := t.compose(ctx, "restart", "renderer"); err != nil {
		return err
	}
	_, err := t.compose(ctx, "exec", "-T", "renderer", "/vault-renderer", "status", "-ready", "-wait=10s", "-address=unix:///run/notes/status.sock")
	if err != nil {
		return err
	}
	all, err := t.accounts(ctx)
	if err == nil && (len(all) != 1 || all[0] != t.seen) {
		err = fmt.Errorf("accounts %q after the restart, %q before", all, t.seen)
	}
	return err
}

// restartVault: Vault comes back sealed, and vault-init opens it.
func (t *trial) restartVault(ctx context.Context) error {
	if _, err := t.compose(ctx, "restart", "vault-server"); err != nil {
		return err
	}
	return errors.Join(t.healthy(ctx, "vault-server"), t.rotation(ctx))
}

// await asks twice a second until it is so.
func await(ctx context.Context, limit time.Duration, what string, so func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("still not after %s: %s", limit, what))
	defer cancel()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := so()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

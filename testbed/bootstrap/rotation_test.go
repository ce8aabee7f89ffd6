package bootstrap_test

import (
	"context"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"

	"vault-renderer/testbed/mariadb"
)

// The tests below show on real servers why "rotate-root does not work" when
// Vault is given an account whose name exists with several hosts, as root does.
// MySQL's root is not touched: accounts with other names behave the same.

const firstPassword = "canary-first"

// account makes an administrator under one name with several hosts.
func account(t *testing.T, db *mariadb.Server, name string, hosts ...string) {
	t.Helper()
	for _, h := range hosts {
		for _, s := range []string{
			"CREATE USER '" + name + "'@'" + h + "' IDENTIFIED BY '" + firstPassword + "'",
			"GRANT ALL ON *.* TO '" + name + "'@'" + h + "' WITH GRANT OPTION",
		} {
			if _, err := db.Admin().ExecContext(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// connect configures Vault with that account and a role.
func connect(t *testing.T, c *api.Client, db *mariadb.Server, name string) {
	t.Helper()
	for path, data := range map[string]map[string]any{
		"database/config/" + name: {
			"plugin_name": "mysql-database-plugin", "connection_url": "{{username}}:{{password}}@tcp(" + db.Addr() + ")/",
			"allowed_roles": "*", "username": name, "password": firstPassword,
		},
		"database/roles/" + name: {
			"db_name": name, "creation_statements": "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'",
		},
	} {
		if _, err := c.Logical().WriteWithContext(t.Context(), path, data); err != nil {
			t.Fatal(err)
		}
	}
}

func rotate(ctx context.Context, c *api.Client, name string) error {
	_, err := c.Logical().WriteWithContext(ctx, "database/rotate-root/"+name, nil)
	return err
}

func TestWhyRootRotationSeemsToDoNothing(t *testing.T) {
	t.Parallel()
	r := rotation{startMariaDB(t), startVault(t).Client()}
	if err := r.c.Sys().MountWithContext(t.Context(), "database", &api.MountInput{Type: "database"}); err != nil {
		t.Fatal(err)
	}
	t.Run("one account at %: it works", r.oneAccount)
	t.Run("also an account for Vault's host: the first password stays and Vault is locked out", r.sameHost)
	t.Run("also an account for another host: the first password stays there, Vault works", r.otherHost)
	t.Run("no account at %: the rotation fails", r.noWildcard)
}

type rotation struct {
	db *mariadb.Server
	c  *api.Client
}

// creds asks Vault for credentials of the role that connect made.
func (r rotation) creds(t *testing.T, name string) error {
	t.Helper()
	_, err := r.c.Logical().ReadWithContext(t.Context(), "database/creds/"+name)
	return err
}

func (r rotation) oneAccount(t *testing.T) {
	account(t, r.db, "single", "%")
	connect(t, r.c, r.db, "single")
	if err := rotate(t.Context(), r.c, "single"); err != nil {
		t.Fatal(err)
	}
	if refused, err := login(t, r.db.Addr(), "single", firstPassword); !refused {
		t.Errorf("the first password still logs in: %v", err)
	}
	if err := r.creds(t, "single"); err != nil {
		t.Error(err)
	}
}

func (r rotation) sameHost(t *testing.T) {
	account(t, r.db, "double", "%", "127.0.0.1")
	connect(t, r.c, r.db, "double")
	if err := rotate(t.Context(), r.c, "double"); err != nil {
		t.Fatalf("the rotation reports: %v", err)
	}
	if _, err := login(t, r.db.Addr(), "double", firstPassword); err != nil {
		t.Errorf("the first password: %v; it should still log in", err)
	}
	if err := r.creds(t, "double"); err == nil || !strings.Contains(err.Error(), "1045") {
		t.Errorf("Vault's next login: %v; it should be refused", err)
	}
}

func (r rotation) otherHost(t *testing.T) {
	account(t, r.db, "twin", "%", "localhost")
	connect(t, r.c, r.db, "twin")
	if err := rotate(t.Context(), r.c, "twin"); err != nil {
		t.Fatal(err)
	}
	if refused, err := login(t, r.db.Addr(), "twin", firstPassword); !refused {
		t.Errorf("over TCP the first password: %v", err)
	}
	if err := loginSocket(t, r.db, "twin", firstPassword); err != nil {
		t.Errorf("over the socket the first password: %v; it should still log in", err)
	}
	if err := r.creds(t, "twin"); err != nil {
		t.Error(err)
	}
}

func (r rotation) noWildcard(t *testing.T) {
	account(t, r.db, "local", "127.0.0.1")
	connect(t, r.c, r.db, "local")
	if err := rotate(t.Context(), r.c, "local"); err == nil || !strings.Contains(err.Error(), "1396") {
		t.Errorf("rotation: %v; want error 1396", err)
	}
	if _, err := login(t, r.db.Addr(), "local", firstPassword); err != nil {
		t.Errorf("the first password: %v", err)
	}
}

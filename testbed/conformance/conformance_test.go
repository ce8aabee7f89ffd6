package conformance_test

import (
	"context"
	"testing"

	"github.com/hashicorp/vault/api"

	"vault-renderer/testbed/conformance"
	"vault-renderer/testbed/devvault"
	"vault-renderer/testbed/mariadb"
	"vault-renderer/testbed/vaultserver"
)

func startMariaDB(t *testing.T) *mariadb.Server {
	t.Helper()
	db, err := mariadb.Start(t.Context(), mariadb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Stop(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func target(db *mariadb.Server) conformance.Target {
	return conformance.Target{
		MySQLAddr: db.Addr(), MySQLRootUser: "root", MySQLRootPassword: db.RootPassword(), Users: db.Users,
	}
}

func TestRealVault(t *testing.T) {
	t.Parallel()
	db := startMariaDB(t)
	v, err := vaultserver.Start(t.Context(), vaultserver.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Stop(); err != nil {
			t.Error(err)
		}
	})
	target := target(db)
	target.Addr, target.RootToken, target.Seal, target.Unseal = v.Addr(), v.RootToken(), v.Seal, v.Unseal
	conformance.Run(t, target)
}

func TestDevVault(t *testing.T) {
	t.Parallel()
	db := startMariaDB(t)
	v := devvault.New(devvault.Options{Database: devvault.MySQL{}})
	t.Cleanup(v.Close)
	addr, stop, err := v.ServeTCP(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	conf := api.DefaultConfig()
	conf.Address = addr
	c, err := api.NewClient(conf)
	if err != nil {
		t.Fatal(err)
	}
	c.SetToken(v.RootToken())
	target := target(db)
	target.Addr, target.RootToken = addr, v.RootToken()
	target.Seal = c.Sys().SealWithContext
	target.Unseal = func(ctx context.Context) error {
		_, err := c.Sys().UnsealWithContext(ctx, v.UnsealKey())
		return err
	}
	conformance.Run(t, target)
}

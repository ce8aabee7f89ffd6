package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"vault-renderer/testbed/bootstrap"
	"vault-renderer/testbed/mariadb"
	"vault-renderer/testbed/vaultserver"
)

// start runs both servers in a private directory until ctx ends.
func start(ctx context.Context, stdout, stderr io.Writer) (err error) {
	binary, err := vaultserver.Binary(ctx, vaultserver.BinaryOptions{Progress: stderr})
	if err != nil {
		return err
	}
	dir, err := privateDir()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	db, err := mariadb.Start(ctx, mariadb.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Stop()) }()
	v, err := vaultserver.Start(ctx, vaultserver.Options{Binary: binary, Dir: filepath.Join(dir, "vault")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Stop()) }()

	deliver := filepath.Join(dir, "approle")
	_, err = bootstrap.Run(ctx, bootstrap.Options{
		Client:    v.Client(),
		MySQLAddr: db.Addr(), MySQLRootUser: "root", MySQLRootPassword: db.RootPassword(),
		DeliverDir: deliver,
		TokenTTL:   20 * time.Minute, TokenMaxTTL: 4 * time.Hour,
		LeaseTTL: 5 * time.Minute, LeaseMaxTTL: 30 * time.Minute,
		AuditLog: v.AuditLog(),
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "export VAULT_ADDR=%s\n", v.Addr())
	fmt.Fprintf(stdout, "export VAULT_TOKEN=%s\n", v.RootToken())
	fmt.Fprintf(stdout, "export MYSQL_ADDR=%s\n", db.Addr())
	fmt.Fprintf(stdout, "export MYSQL_SOCKET=%s\n", db.Socket())
	fmt.Fprintf(stdout, "export MYSQL_ROOT_PASSWORD=%s\n", db.RootPassword())
	fmt.Fprintf(stdout, "export ROLE_ID_FILE=%s\n", filepath.Join(deliver, bootstrap.RoleIDFile))
	fmt.Fprintf(stdout, "export SECRET_ID_FILE=%s\n", filepath.Join(deliver, bootstrap.SecretIDFile))
	fmt.Fprintf(stdout, "export AUDIT_LOG=%s\n", v.AuditLog())
	fmt.Fprintf(stderr, "testbed: running; Ctrl-C stops both servers and removes their data\n")
	<-ctx.Done()
	return nil
}

// privateDir prefers memory: the directory will hold keys and a secret_id.
func privateDir() (string, error) {
	for _, parent := range []string{os.Getenv("XDG_RUNTIME_DIR"), "/dev/shm"} {
		if parent == "" {
			continue
		}
		if dir, err := os.MkdirTemp(parent, "vault-renderer-testbed-"); err == nil {
			return dir, nil
		}
	}
	return os.MkdirTemp("", "vault-renderer-testbed-")
}

package main

import (
	"context"
	_ "embed"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"vault-renderer/testbed/bootstrap"
)

// policy is all that the renderer may do.
//
//go:embed policy.hcl
var policy string

// prepare makes everything that the renderer needs, or repairs it: database and
// table, the database engine with an account of its own, role, policy, AppRole.
// Then it delivers RoleID and a wrapped SecretID.
func (o *options) prepare(ctx context.Context, s *server, log *slog.Logger) error {
	if err := awaitTCP(ctx, o.mysqlAddr); err != nil {
		return err
	}
	r, err := bootstrap.Run(ctx, bootstrap.Options{
		Client: s.Client, Policy: policy,
		MySQLAddr: o.mysqlAddr, MySQLRootUser: "root", MySQLRootPassword: o.mysqlPassword,
		TokenTTL: o.tokenTTL, TokenMaxTTL: o.tokenMaxTTL,
		LeaseTTL: o.leaseTTL, LeaseMaxTTL: o.leaseMaxTTL,
		SecretIDTTL: o.secretIDTTL,
	})
	if err != nil {
		return err
	}
	log.Info("Vault and the database are configured")
	if err := writeFile(filepath.Join(deliverDir, bootstrap.RoleIDFile), []byte(r.RoleID), 0o600); err != nil {
		return err
	}
	return deliverSecretID(ctx, s, o.secretIDTTL.String())
}

// deliverSecretID puts a wrapping token in place: whoever uses it first is the
// only one, and a second use is an alarm. From then on the renderer replaces it
// by the next one itself.
func deliverSecretID(ctx context.Context, s *server, ttl string) error {
	c, err := s.Clone()
	if err != nil {
		return err
	}
	c.SetToken(s.Token())
	c.SetWrappingLookupFunc(func(string, string) string { return ttl })
	secret, err := c.Logical().WriteWithContext(ctx, "auth/"+bootstrap.AppRoleMount+"/role/"+bootstrap.AppRoleName+"/secret-id", nil)
	if err != nil {
		return err
	}
	if secret == nil || secret.WrapInfo == nil {
		return errors.New("the SecretID was not wrapped")
	}
	return writeFile(filepath.Join(deliverDir, bootstrap.SecretIDFile), []byte(secret.WrapInfo.Token), 0o600)
}

// awaitTCP waits until the address answers.
func awaitTCP(ctx context.Context, address string) error {
	for {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		if !pause(ctx) {
			return ctx.Err()
		}
	}
}

// writeFile writes a file that is whole from its first visible moment.
func writeFile(path string, content []byte, perms os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(perms), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

package bootstrap_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/hashicorp/vault/api"

	"vault-renderer/testbed/bootstrap"
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
	t.Cleanup(func() { stop(t, db.Stop) })
	return db
}

func stop(t *testing.T, f func() error) {
	t.Helper()
	if err := f(); err != nil {
		t.Error(err)
	}
}

func startVault(t *testing.T) *vaultserver.Server {
	t.Helper()
	v, err := vaultserver.Start(t.Context(), vaultserver.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, v.Stop) })
	return v
}

func open(t *testing.T, addr, user, password string) *sql.DB {
	t.Helper()
	conf := mysql.NewConfig()
	conf.Net, conf.Addr, conf.User, conf.Passwd, conf.Logger = "tcp", addr, user, password, &mysql.NopLogger{}
	c, err := mysql.NewConnector(conf)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	t.Cleanup(func() { stop(t, db.Close) })
	return db
}

// loginSocket logs in as name@localhost.
func loginSocket(t *testing.T, db *mariadb.Server, user, password string) error {
	t.Helper()
	conf := mysql.NewConfig()
	conf.Net, conf.Addr, conf.User, conf.Passwd, conf.Logger = "unix", db.Socket(), user, password, &mysql.NopLogger{}
	c, err := mysql.NewConnector(conf)
	if err != nil {
		t.Fatal(err)
	}
	conn := sql.OpenDB(c)
	return errors.Join(conn.PingContext(t.Context()), conn.Close())
}

// login tries one login and says whether MySQL refused it (1045).
func login(t *testing.T, addr, user, password string) (refused bool, err error) {
	t.Helper()
	err = open(t, addr, user, password).PingContext(t.Context())
	var me *mysql.MySQLError
	return errors.As(err, &me) && me.Number == 1045, err
}

func TestRunOnRealVault(t *testing.T) {
	t.Parallel()
	db, v := startMariaDB(t), startVault(t)
	run(t, db, v.Client(), v.AuditLog())
	if b, err := os.ReadFile(v.AuditLog()); err != nil || !bytes.Contains(b, []byte("database/creds/")) {
		t.Errorf("audit log: %d bytes, %v", len(b), err)
	}
}

func TestRunOnDevVault(t *testing.T) {
	t.Parallel()
	v := devvault.New(devvault.Options{Database: devvault.MySQL{}})
	t.Cleanup(v.Close)
	addr, stopServer, err := v.ServeTCP(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stopServer)
	conf := api.DefaultConfig()
	conf.Address = addr
	c, err := api.NewClient(conf)
	if err != nil {
		t.Fatal(err)
	}
	c.SetToken(v.RootToken())
	run(t, startMariaDB(t), c, filepath.Join(t.TempDir(), "audit.log"))
}

func run(t *testing.T, db *mariadb.Server, c *api.Client, audit string) {
	ctx := t.Context()
	o := bootstrap.Options{
		Client: c, MySQLAddr: db.Addr(), MySQLRootUser: "root", MySQLRootPassword: db.RootPassword(),
		DeliverDir: filepath.Join(t.TempDir(), "deliver"),
		TokenTTL:   time.Minute, TokenMaxTTL: time.Hour, LeaseTTL: time.Minute, LeaseMaxTTL: time.Hour,
		SecretIDTTL: time.Hour, SecretIDNumUses: 3, AuditLog: audit,
	}
	first, err := bootstrap.Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if first.SpentPassword == "" {
		t.Fatal("the first run configured nothing")
	}
	if refused, err := login(t, db.Addr(), bootstrap.AdminUser, first.SpentPassword); !refused {
		t.Errorf("the password that Vault was given still works: %v", err)
	}
	checkDelivery(t, o.DeliverDir, first.RoleID)
	app := appClient(t, c, o.DeliverDir)
	checkCredentials(t, c, app, db)
	checkLimits(t, app)

	oldSecret := content(t, o.DeliverDir, bootstrap.SecretIDFile)
	second, err := bootstrap.Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if second.SpentPassword != "" || second.RoleID != first.RoleID {
		t.Errorf("the second run began anew: %+v", second)
	}
	if content(t, o.DeliverDir, bootstrap.SecretIDFile) == oldSecret {
		t.Error("the second run delivered no fresh secret_id")
	}
	checkCredentials(t, c, appClient(t, c, o.DeliverDir), db)

	// A database that came back from a backup: Vault cannot log in any more.
	_, err = db.Admin().ExecContext(ctx, "ALTER USER '"+bootstrap.AdminUser+"'@'%' IDENTIFIED BY 'canary-restored'")
	if err != nil {
		t.Fatal(err)
	}
	repair(t, o, db, app)
	if err := bootstrap.NewSecretID(ctx, c, o.DeliverDir); err != nil {
		t.Fatal(err)
	}
	appClient(t, c, o.DeliverDir)
}

// repair runs until Vault can make accounts again.
func repair(t *testing.T, o bootstrap.Options, db *mariadb.Server, app *api.Client) {
	t.Helper()
	// Vault's open connections survive the change; end them.
	for _, id := range sessions(t, db) {
		_, _ = db.Admin().ExecContext(t.Context(), "KILL "+id) // it may have ended by itself
	}
	if _, err := bootstrap.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if refused, err := login(t, db.Addr(), bootstrap.AdminUser, "canary-restored"); !refused {
		t.Errorf("the restored password still works: %v", err)
	}
	checkCredentials(t, o.Client, app, db)
}

func sessions(t *testing.T, db *mariadb.Server) (ids []string) {
	t.Helper()
	rows, err := db.Admin().QueryContext(t.Context(), "SELECT id FROM information_schema.processlist WHERE user = ?", bootstrap.AdminUser)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

func content(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func checkDelivery(t *testing.T, dir, roleID string) {
	t.Helper()
	if content(t, dir, bootstrap.RoleIDFile) != roleID {
		t.Error("another role_id was delivered")
	}
	for path, want := range map[string]os.FileMode{
		dir: 0o700, filepath.Join(dir, bootstrap.RoleIDFile): 0o600, filepath.Join(dir, bootstrap.SecretIDFile): 0o600,
	} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v %v", filepath.Base(path), st.Mode(), err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("temporary files left: %v %v", entries, err)
	}
}

// appClient logs in with what was delivered.
func appClient(t *testing.T, root *api.Client, dir string) *api.Client {
	t.Helper()
	c, err := root.Clone()
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Logical().WriteWithContext(t.Context(), "auth/approle/login", map[string]any{
		"role_id": content(t, dir, bootstrap.RoleIDFile), "secret_id": content(t, dir, bootstrap.SecretIDFile),
	})
	if err != nil {
		t.Fatal(err)
	}
	c.SetToken(s.Auth.ClientToken)
	return c
}

// checkCredentials gets an account and uses it.
func checkCredentials(t *testing.T, root, app *api.Client, db *mariadb.Server) {
	t.Helper()
	ctx := t.Context()
	s, err := app.Logical().ReadWithContext(ctx, "database/creds/"+bootstrap.DatabaseRole)
	if err != nil {
		t.Fatal(err)
	}
	user, _ := s.Data["username"].(string)
	password, _ := s.Data["password"].(string)
	conn := open(t, db.Addr(), user, password)
	if _, err := conn.ExecContext(ctx, "INSERT INTO notes_webapp.note (content) VALUES (?)", "a note"); err != nil {
		t.Error(err)
	}
	var n int
	if err := conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM notes_webapp.note").Scan(&n); err != nil || n == 0 {
		t.Errorf("%d notes, %v", n, err)
	}
	if _, err := conn.ExecContext(ctx, "DELETE FROM notes_webapp.note"); err == nil {
		t.Error("the application may delete notes")
	}
	if _, err := app.Sys().RenewWithContext(ctx, s.LeaseID, 0); err != nil {
		t.Errorf("renew: %v", err)
	}
	revoke := func(id string) error {
		_, err := app.Logical().WriteWithContext(ctx, "sys/leases/revoke", map[string]any{"lease_id": id, "sync": true})
		return err
	}
	if err := revoke("auth/approle/login/x"); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("the application may revoke others' leases: %v", err)
	}
	if err := revoke(s.LeaseID); err != nil {
		t.Errorf("the application may not revoke its own leases: %v", err)
	}
	if err := root.Sys().RevokeWithContext(ctx, s.LeaseID); err != nil {
		t.Errorf("revoke: %v", err)
	}
	eventually(t, func() bool {
		users, err := db.Users(ctx)
		return err == nil && !strings.Contains(strings.Join(users, " "), user)
	})
}

func checkLimits(t *testing.T, app *api.Client) {
	t.Helper()
	for _, path := range []string{"database/config/mysql-database", "database/roles/mysql-role", "sys/mounts", "auth/approle/role/webapp-role"} {
		if _, err := app.Logical().ReadWithContext(t.Context(), path); err == nil {
			t.Errorf("the application may read %s", path)
		}
	}
}

func eventually(t *testing.T, f func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-ctx.Done():
			t.Fatal("not within 15 s")
		case <-tick.C:
		}
	}
}

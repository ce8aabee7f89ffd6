package bootstrap

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"
)

// asRoot runs statements as MySQL's root. MySQL has no transactions around
// them, so each must be harmless when repeated.
func (b *boot) asRoot(ctx context.Context, statements ...string) (err error) {
	conf := mysql.NewConfig()
	conf.Net, conf.Addr = "tcp", b.o.MySQLAddr
	conf.User, conf.Passwd = b.o.MySQLRootUser, b.o.MySQLRootPassword
	conn, err := mysql.NewConnector(conf)
	if err != nil {
		return err
	}
	db := sql.OpenDB(conn)
	defer func() { err = errors.Join(err, db.Close()) }()
	for i, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			// Not the statement itself: it may hold a password.
			return fmt.Errorf("statement %d of %d: %w", i+1, len(statements), err)
		}
	}
	return nil
}

func (b *boot) schema(ctx context.Context) error {
	return b.asRoot(ctx,
		"CREATE DATABASE IF NOT EXISTS "+DatabaseName,
		"CREATE TABLE IF NOT EXISTS "+DatabaseName+"."+TableName+
			" (id INT AUTO_INCREMENT PRIMARY KEY, content TEXT)",
	)
}

// adminAccount makes Vault's own account, or gives it a new password, and
// returns that. CREATE USER lets it create, drop and alter users (and would let
// it alter root: MySQL knows no finer right); the rest is exactly what it hands
// on to the users it creates.
func (b *boot) adminAccount(ctx context.Context) (password string, err error) {
	password = "canary-admin-" + rand.Text() // letters and digits: no quoting needed
	account := "'" + b.o.AdminUser + "'@'%'"
	return password, b.asRoot(ctx,
		"CREATE USER IF NOT EXISTS "+account+" IDENTIFIED BY '"+password+"'",
		"ALTER USER "+account+" IDENTIFIED BY '"+password+"'",
		"GRANT CREATE USER ON *.* TO "+account,
		"GRANT SELECT, INSERT ON "+DatabaseName+".* TO "+account+" WITH GRANT OPTION",
	)
}

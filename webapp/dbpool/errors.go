package dbpool

import (
	"errors"
	"slices"

	"github.com/go-sql-driver/mysql"
)

// ErrNoCredentials is the error of every query before the first successful
// Use.
var ErrNoCredentials = errors.New("dbpool: no credentials yet")

// credentialErrors are the server's ways to say that an account is gone,
// locked, or lacks the privilege it needs.
var credentialErrors = [...]uint16{
	1044, // access to the database denied
	1045, // access denied: no such account, or another password
	1142, // command denied on a table: what a session sees when its account was dropped
	1143, // the same for a column
	1698, // access denied by the authentication plugin
	3118, // account locked (MySQL)
	4151, // account locked (MariaDB)
}

// IsCredentialError reports whether the server refused because of who asks:
// newer credentials may help, a retry with the same ones will not.
func IsCredentialError(err error) bool {
	return slices.Contains(credentialErrors[:], ErrorNumber(err))
}

// ErrorNumber returns the server's error number in err's chain, or 0.
func ErrorNumber(err error) uint16 {
	if my, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return my.Number
	}
	return 0
}

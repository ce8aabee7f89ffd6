// Package dbpool is one *sql.DB for MySQL or MariaDB whose credentials can be
// replaced while it is in use, without a failed query.
//
// Each connection knows the generation of credentials it was opened with.
// Use tries new credentials on a connection of their own; only when that works
// they become the current generation. From then on every new connection uses
// them, idle connections of older generations are closed at once, and those in
// use are closed when their query, rows or transaction ends. Drained waits for
// the last of them: after it returns, the old account can be dropped. The
// *sql.DB itself never changes, so sqlx, GORM or sqlc may keep it.
//
// # What is retried
//
// A connection that is being opened while Use switches, or whose old
// credentials the server refuses because of the switch (error 1045 and its
// kin), is opened again with the current credentials: nothing was sent on it,
// so that is always safe. A connection of an older generation is closed when
// it comes back to the pool, and one that was overlooked there is discarded
// before a query is sent on it (driver.ErrBadConn, on which database/sql takes
// another).
//
// A statement that was sent is never repeated behind the caller's back: not in a
// transaction, because only the caller can repeat it from its start, and not
// outside of one, because a CALL may have done half of its work before the
// server found a privilege missing (1142). Waiting for Drained before revoking
// means that this does not happen.
//
// # When credentials die before their time
//
// Somebody may revoke an account that is in use. Do and DoTx run a function of
// the caller's, and when the server refuses the newest credentials before
// anything was done, they say so (Retry.Refused), wait for a newer generation
// and run the function once more on it. So a request survives the time that it
// takes to get new credentials, and no effect comes about twice.
//
// # What it does not do
//
// It does not read files, does not decide when to switch, and does not log.
//
// The functions given to (*sql.Conn).Raw get this package's connection, not
// the driver's: see Unwrap.
package dbpool

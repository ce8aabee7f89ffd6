package dbpool

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
)

// The methods here are the driver's, and note on the way whether anything may
// have been done: that decides whether Do may run its function again. A failed
// statement that works as a whole or not at all has done nothing.

// ExecContext runs a statement without a result.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	res, err := c.driverConn.ExecContext(ctx, query, args)
	c.note(query, err)
	return res, err
}

// QueryContext runs a statement with a result.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.driverConn.QueryContext(ctx, query, args)
	c.note(query, err)
	return rows, err
}

// PrepareContext prepares a statement, which does nothing yet.
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	st, err := c.driverConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	inner, ok := st.(driverStmt)
	if !ok {
		c.worked.Store(true) // nobody would see what it does
		return st, nil
	}
	return &stmt{driverStmt: inner, conn: c, query: query}, nil
}

// driverStmt is every optional interface of a statement that database/sql asks
// for, as driverConn is for connections.
type driverStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
	driver.NamedValueChecker
}

// stmt is a prepared statement.
type stmt struct {
	driverStmt
	conn  *conn
	query string
}

// ExecContext runs a statement without a result.
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	res, err := s.driverStmt.ExecContext(ctx, args)
	s.conn.note(s.query, err)
	return res, err
}

// QueryContext runs a statement with a result.
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := s.driverStmt.QueryContext(ctx, args)
	s.conn.note(s.query, err)
	return rows, err
}

// BeginTx begins a transaction.
func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.driverConn.BeginTx(ctx, o)
	if err == nil {
		c.worked.Store(true)
	}
	return tx, err
}

func (c *conn) note(query string, err error) {
	// ErrSkip: the driver sent nothing and wants it prepared. ErrBadConn: it sent
	// nothing because the connection is broken.
	if errors.Is(err, driver.ErrSkip) || errors.Is(err, driver.ErrBadConn) || err != nil && atomicStatement(query) {
		return
	}
	c.worked.Store(true)
}

// atomicStatement says whether a statement that failed has done nothing. A CALL
// or a compound statement may have done half of its work; of what is not known,
// the same is assumed.
func atomicStatement(query string) bool {
	word, _, _ := strings.Cut(strings.TrimLeft(query, " \t\r\n("), " ")
	if i := strings.IndexAny(word, "\t\r\n(;/"); i >= 0 {
		word = word[:i]
	}
	switch strings.ToUpper(word) {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "WITH":
		return true
	}
	return false
}

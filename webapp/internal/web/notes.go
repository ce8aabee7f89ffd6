package web

import (
	"context"
	"database/sql"
	"errors"

	"vault-renderer/webapp/dbpool"
)

// note is a row of the table `note`.
type note struct {
	ID      int64
	Content string
}

// pageSize bounds the list: the newest notes.
const pageSize = 200

// do runs f on a connection. When the database refuses the newest credentials
// before f has done anything, newer ones are asked for, and f runs again with
// them: a revoked account costs a request time, and does not fail it.
func (a *App) do(ctx context.Context, f func(context.Context, *sql.Conn) error) error {
	return a.opts.Pool.Do(ctx, dbpool.Retry{Wait: a.opts.RefusedWait, Refused: a.noteError}, f)
}

func (a *App) listNotes(ctx context.Context) (notes []note, err error) {
	err = a.do(ctx, func(ctx context.Context, c *sql.Conn) error {
		notes, err = listNotes(ctx, c)
		return err
	})
	return notes, err
}

// readNote returns false for a note that does not exist.
func (a *App) readNote(ctx context.Context, id int64) (n note, found bool, err error) {
	err = a.do(ctx, func(ctx context.Context, c *sql.Conn) error {
		n, found, err = readNote(ctx, c, id)
		return err
	})
	return n, found, err
}

func (a *App) addNote(ctx context.Context, content string) error {
	return a.do(ctx, func(ctx context.Context, c *sql.Conn) error { return addNote(ctx, c, content) })
}

func listNotes(ctx context.Context, db *sql.Conn) ([]note, error) {
	rows, err := db.QueryContext(ctx, "SELECT id, COALESCE(content, '') FROM note ORDER BY id DESC LIMIT ?", pageSize)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var notes []note
	for rows.Next() {
		var n note
		if err := rows.Scan(&n.ID, &n.Content); err != nil {
			return nil, err
		}
		notes = append(notes, n)
	}
	return notes, rows.Err()
}

func readNote(ctx context.Context, db *sql.Conn, id int64) (note, bool, error) {
	n := note{ID: id}
	err := db.QueryRowContext(ctx, "SELECT COALESCE(content, '') FROM note WHERE id = ?", id).Scan(&n.Content)
	if errors.Is(err, sql.ErrNoRows) {
		return note{}, false, nil
	}
	return n, err == nil, err
}

func addNote(ctx context.Context, db *sql.Conn, content string) error {
	_, err := db.ExecContext(ctx, "INSERT INTO note (content) VALUES (?)", content)
	return err
}

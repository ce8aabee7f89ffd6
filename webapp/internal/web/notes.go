package web

import (
	"context"
	"database/sql"
	"errors"
)

// note is a row of the table `note`.
type note struct {
	ID      int64
	Content string
}

// pageSize bounds the list: the newest notes.
const pageSize = 200

func listNotes(ctx context.Context, db *sql.DB) ([]note, error) {
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

// readNote returns false for a note that does not exist.
func readNote(ctx context.Context, db *sql.DB, id int64) (note, bool, error) {
	n := note{ID: id}
	err := db.QueryRowContext(ctx, "SELECT COALESCE(content, '') FROM note WHERE id = ?", id).Scan(&n.Content)
	if errors.Is(err, sql.ErrNoRows) {
		return note{}, false, nil
	}
	return n, err == nil, err
}

func addNote(ctx context.Context, db *sql.DB, content string) error {
	_, err := db.ExecContext(ctx, "INSERT INTO note (content) VALUES (?)", content)
	return err
}

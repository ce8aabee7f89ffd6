package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"vault-renderer/webapp/dbpool"
)

func (a *App) index(w http.ResponseWriter, r *http.Request) {
	notes, err := a.listNotes(r.Context())
	if err != nil {
		a.databaseError(w, r, err)
		return
	}
	a.render(w, http.StatusOK, "index.html", page{Title: "Notes", Notes: notes})
}

func (a *App) read(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		toIndex(w, r)
		return
	}
	n, found, err := a.readNote(r.Context(), id)
	switch {
	case err != nil:
		a.databaseError(w, r, err)
	case !found:
		toIndex(w, r)
	default:
		a.render(w, http.StatusOK, "read.html", page{Title: "Note " + strconv.FormatInt(id, 10), Note: n})
	}
}

func (a *App) addForm(w http.ResponseWriter, _ *http.Request) {
	a.render(w, http.StatusOK, "add.html", page{Title: "New note"})
}

func (a *App) add(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		code, text := http.StatusBadRequest, "The form could not be read."
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			code, text = http.StatusRequestEntityTooLarge, "The note is too long."
		}
		a.render(w, code, "error.html", page{Title: "Not saved", Message: text})
		return
	}
	content := strings.TrimSpace(r.PostForm.Get("note"))
	if content != "" {
		if err := a.addNote(r.Context(), content); err != nil {
			a.databaseError(w, r, err)
			return
		}
	}
	toIndex(w, r)
}

func toIndex(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// databaseError answers with a page for people; what exactly went wrong is in
// the log and at /-/ready.
func (a *App) databaseError(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(r.Context().Err(), context.Canceled) {
		return // nobody reads the answer
	}
	text := "The database does not answer right now. Please try again in a moment."
	switch {
	case errors.Is(err, dbpool.ErrNoCredentials):
		text = "This application has no database credentials yet. It starts to work as soon as they arrive."
	default:
		a.noteError(err)
	}
	w.Header().Set("Retry-After", "2")
	a.render(w, http.StatusServiceUnavailable, "error.html", page{Title: "Not available", Message: text})
}

package web

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
)

//go:embed pages
var files embed.FS

// templates is parsed once; a mistake in it fails every test.
var templates = template.Must(template.ParseFS(files, "pages/*.html"))

// page is what the templates know.
type page struct {
	Title   string
	Message string
	Notes   []note
	Note    note
	Path    string
	Text    string
	Masked  bool
	Report  generationReport
}

// render answers with a whole page or, should a template fail, with none.
func (a *App) render(w http.ResponseWriter, code int, name string, p page) {
	var out bytes.Buffer
	if err := templates.ExecuteTemplate(&out, name, p); err != nil {
		a.log.Error("page", "name", name, "error", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = out.WriteTo(w) // fails only when the client is gone
}

func style(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=3600")
	http.ServeFileFS(w, r, files, "pages/style.css")
}

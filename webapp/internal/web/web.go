// Package web is the notes application: its pages, its readiness, and the
// report of which configuration it uses, which is the renderer's sign that the
// previous credentials can go.
//
// It does not watch the configuration file (Offer takes what was found there),
// does not manage connections (that is dbpool), and does not listen: the
// program gives Handler to a server.
package web

import (
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"vault-renderer/webapp/credfile"
	"vault-renderer/webapp/dbpool"
)

// Pool is what the application needs of a dbpool.Pool.
type Pool interface {
	DB() *sql.DB
	Do(context.Context, dbpool.Retry, func(context.Context, *sql.Conn) error) error
	Use(context.Context, dbpool.Config) error
	Drained(context.Context, uint64) error
	Stats() dbpool.Stats
}

// Options say what the application works with.
type Options struct {
	Pool        Pool
	ConfigPath  string // shown by /config
	ShowSecrets bool   // show /config unmasked
	AckPath     string // file that gets the digest of the configuration in use; "" = none
	Log         *slog.Logger
	Reread      func() // asks for a new look at the configuration file; must not block
	// Refused tells the renderer that the database refuses the newest credentials;
	// nil = nobody is told. It must not block, and is called as often as that
	// happens.
	Refused func(reason string)
	// RefusedWait is how long a request whose credentials were refused waits for
	// newer ones; 5 s when not set, and never longer than the request may take.
	RefusedWait time.Duration
}

// App is the application. Make it with New, and call Run beside serving its
// Handler.
type App struct {
	opts    Options
	log     *slog.Logger
	offers  chan offer // holds the newest one only
	state   atomic.Pointer[state]
	lastErr atomic.Pointer[string] // the last database error logged
}

// New returns an App that is not ready: credentials come by Offer.
func New(o Options) *App {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Reread == nil {
		o.Reread = func() {}
	}
	if o.Refused == nil {
		o.Refused = func(string) {}
	}
	a := &App{opts: o, log: o.Log, offers: make(chan offer, 1)}
	a.state.Store(&state{})
	return a
}

// requestTimeout bounds a request's work in the database.
const requestTimeout = 10 * time.Second

// maxBody is far more than a note needs.
const maxBody = 64 << 10

// Handler serves every route.
func (a *App) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.index)
	mux.HandleFunc("GET /read/{id}", a.read)
	mux.HandleFunc("GET /add", a.addForm)
	mux.HandleFunc("POST /add", a.add)
	mux.HandleFunc("GET /config", a.config)
	mux.HandleFunc("GET /style.css", style)
	mux.HandleFunc("GET /-/healthy", healthy)
	mux.HandleFunc("GET /-/ready", a.ready)
	mux.HandleFunc("GET /-/generation", a.generation)
	// Refuses what a browser sends from another site; programs without a
	// browser's headers may post.
	return secured(http.NewCrossOriginProtection().Handler(mux))
}

// secured sets what every answer carries, and bounds every request.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// ConfigOf is the one place where the file's words become the pool's.
func ConfigOf(c credfile.Creds) dbpool.Config {
	return dbpool.Config{Host: c.Host, Port: c.Port, User: c.User, Password: c.Password, Database: c.Database}
}

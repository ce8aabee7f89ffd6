package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

func healthy(w http.ResponseWriter, _ *http.Request) {
	plain(w, http.StatusOK, "healthy")
}

func (a *App) ready(w http.ResponseWriter, _ *http.Request) {
	if reason := a.state.Load().notReady(); reason != "" {
		plain(w, http.StatusServiceUnavailable, reason)
		return
	}
	plain(w, http.StatusOK, "ready")
}

func plain(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	fmt.Fprintln(w, text)
}

// generationReport is the acknowledgement that the renderer waits for.
type generationReport struct {
	// Digest is that of the configuration in use, and only once nothing older
	// is: whoever reads it may revoke what came before. Until then it is empty
	// and Next has it.
	Digest      string         `json:"digest"`
	Next        string         `json:"next,omitempty"`
	User        string         `json:"user"`
	Since       *time.Time     `json:"since,omitempty"`
	Pools       uint64         `json:"pools"` // credential generations so far
	Generation  uint64         `json:"generation"`
	Connections map[uint64]int `json:"open_connections"` // by generation
	Draining    int            `json:"draining"`         // open connections of older generations
}

func (a *App) report() generationReport {
	// State first: a switch between the two reads then shows as "not yet".
	state, stats := a.state.Load(), a.opts.Pool.Stats()
	r := generationReport{
		User: stats.User, Pools: stats.Generations, Generation: stats.Generation,
		Connections: stats.Open, Draining: stats.Draining(),
	}
	if !stats.Since.IsZero() {
		since := stats.Since.UTC().Truncate(time.Second)
		r.Since = &since
	}
	switch {
	case state.generation == 0 || state.generation != stats.Generation:
	case r.Draining > 0:
		r.Next = state.digest
	default:
		r.Digest = state.digest
	}
	return r
}

func (a *App) generation(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(a.report()) // fails only when the client is gone
}

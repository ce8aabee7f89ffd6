package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	healthyPath = "/-/healthy"
	readyPath   = "/-/ready"
	statusPath  = "/-/status"
	refreshPath = "/-/refresh"
	countedPath = "/-/metrics"

	// answerTime is how long the loop may take before it counts as stuck.
	answerTime = 2 * time.Second
	maxAsk     = 1 << 10 // of what /-/refresh is sent
)

// endpoints is what Serve answers. A page in a browser of this host may not ask
// for anything.
func endpoints(s Source, r *refresher) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+healthyPath, func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.ask(r.Context()); err != nil {
			plainText(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		plainText(w, http.StatusOK, "healthy")
	})
	mux.HandleFunc("GET "+readyPath, s.ready)
	mux.HandleFunc("GET "+statusPath, s.status)
	mux.HandleFunc("POST "+refreshPath, r.serve)
	if s.Metrics != nil {
		mux.Handle("GET "+countedPath, s.Metrics)
	}
	return http.NewCrossOriginProtection().Handler(mux)
}

// ask waits for the report no longer than a loop may take.
func (s Source) ask(ctx context.Context) (Report, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	r, err := s.Report(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("the main loop has not answered for %s: it is stuck; files in place are unharmed, but leases may lapse: restart vault-renderer", answerTime)
	}
	return r, err
}

func (s Source) ready(w http.ResponseWriter, req *http.Request) {
	r, err := s.ask(req.Context())
	switch {
	case err != nil:
		plainText(w, http.StatusServiceUnavailable, err.Error())
	case !r.Ready && len(r.Reasons) == 0:
		plainText(w, http.StatusServiceUnavailable, "not ready")
	case !r.Ready:
		plainText(w, http.StatusServiceUnavailable, strings.Join(r.Reasons, "\n"))
	default:
		plainText(w, http.StatusOK, "ready")
	}
}

func (s Source) status(w http.ResponseWriter, req *http.Request) {
	r, err := s.ask(req.Context())
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(r.listed()) // fails only when the client is gone
}

// listed has lists where there is nothing: programs need not look for null.
func (r Report) listed() Report {
	if r.Secrets == nil {
		r.Secrets = []SecretReport{}
	}
	if r.Rollouts == nil {
		r.Rollouts = []RolloutReport{}
	}
	return r
}

func plainText(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text+"\n")
}

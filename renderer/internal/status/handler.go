package status

import (
	"encoding/json"
	"net/http"
)

const (
	metricsPath = "/agent/v1/metrics"
	quitPath    = "/agent/v1/quit"
	clearPath   = "/agent/v1/cache-clear"
)

// handler is what Vault Agent's listeners answer, without the proxy.
func handler(o Options, h Handlers) http.Handler {
	mux := http.NewServeMux()
	if h.Metrics != nil {
		mux.Handle(metricsPath, h.Metrics)
	}
	if o.Role == metricsOnly {
		return mux
	}
	mux.HandleFunc(quitPath, quit(o.EnableQuit, h.Quit))
	// There is no cache: nothing to clear, whatever is asked.
	mux.HandleFunc(clearPath, func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/", elsewhere(o.RequireRequestHeader))
	return mux
}

func quit(enabled bool, f func()) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !enabled || f == nil:
			w.WriteHeader(http.StatusNotFound)
		case r.Method != http.MethodPost:
			w.WriteHeader(http.StatusMethodNotAllowed)
		default:
			w.WriteHeader(http.StatusOK)
			f()
		}
	}
}

// elsewhere answers what Vault Agent would have passed on to Vault.
func elsewhere(header bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if header && r.Header.Get("X-Vault-Request") != "true" {
			refuse(w, http.StatusPreconditionFailed, `missing "X-Vault-Request" header`)
			return
		}
		refuse(w, http.StatusNotFound, "nothing here: requests are not passed on to Vault")
	}
}

// refuse has the form of Vault's own errors.
func refuse(w http.ResponseWriter, code int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string][]string{"errors": {why}})
}

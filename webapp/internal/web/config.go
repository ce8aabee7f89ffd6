package web

import (
	"net/http"
	"os"

	"vault-renderer/webapp/credfile"
)

// config shows the rendered configuration file as it is now, which can be
// newer than what is in use.
func (a *App) config(w http.ResponseWriter, _ *http.Request) {
	content, err := os.ReadFile(a.opts.ConfigPath)
	if err != nil {
		a.log.Warn("configuration not readable", "error", err)
		a.render(w, http.StatusServiceUnavailable, "error.html", page{
			Title: "No configuration", Message: "The configuration file is not there or cannot be read.",
		})
		return
	}
	text := string(content)
	if !a.opts.ShowSecrets {
		creds, _ := credfile.Decode(content) // invalid: then no password is known
		text = mask(text, creds.Password)
	}
	a.render(w, http.StatusOK, "config.html", page{
		Title: "Configuration", Path: a.opts.ConfigPath, Text: text, Masked: !a.opts.ShowSecrets, Report: a.report(),
	})
}

package main

import (
	"os"
	"runtime/debug"

	"vault-renderer/renderer/internal/config"
)

// Percentages of garbage to what lives, at which it is collected. A start is
// over before collecting pays; with many templates what lives is small beside
// what is thrown away, and collecting often saves a fifth of the memory at no
// cost that can be measured. The same holds beside a program, whose memory it is
// as much as ours.
const (
	whileStarting = 400
	whenLarge     = 30
	asUsual       = 100

	large = 100 // templates
)

// collect sets the garbage collector, unless GOGC does.
func collect(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// collectFor sets it for a run.
func collectFor(cfg *config.Config) {
	switch {
	case len(cfg.Templates) >= large, cfg.Exec != nil:
		collect(whenLarge)
	case !cfg.ExitAfterAuth:
		collect(asUsual)
	}
}

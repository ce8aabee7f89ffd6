package config

import (
	"log/slog"
	"strings"
)

// levels maps every name that log_level takes to the one that Config holds.
func levels() map[string]string {
	return map[string]string{
		"trace": "trace", "debug": "debug",
		"info": "info", "notice": "info",
		"warn": "warn", "warning": "warn",
		"error": "error", "err": "error",
	}
}

func level(name string) slog.Level {
	switch levels()[strings.ToLower(strings.TrimSpace(name))] {
	case "trace":
		return slog.LevelDebug - 4
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}

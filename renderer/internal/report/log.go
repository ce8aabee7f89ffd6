package report

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
)

// LevelTrace is Vault's trace level: below slog's debug.
const LevelTrace = slog.LevelDebug - 4

// NewLogHandler gives a handler that writes lines of the form of Vault's own
// tools: format "json" has one object a line (@level, @message, @timestamp,
// then the keys), everything else is
// `2006-01-02T15:04:05.000Z [INFO]  vault-renderer: message: key=value`.
func NewLogHandler(w io.Writer, format string, level slog.Leveler) slog.Handler {
	if strings.EqualFold(format, "json") {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: vaultKeys})
	}
	return &lineHandler{w: w, mu: &sync.Mutex{}, level: level}
}

func vaultKeys(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		return slog.String("@timestamp", a.Value.Time().UTC().Format("2006-01-02T15:04:05.000000Z"))
	case slog.LevelKey:
		l, _ := a.Value.Any().(slog.Level)
		return slog.String("@level", strings.ToLower(levelName(l)))
	case slog.MessageKey:
		return slog.Attr{Key: "@message", Value: a.Value}
	}
	if d, ok := a.Value.Any().(time.Duration); ok {
		return slog.String(a.Key, d.String())
	}
	return a
}

func levelName(l slog.Level) string {
	switch {
	case l < slog.LevelDebug:
		return "TRACE"
	case l < slog.LevelInfo:
		return "DEBUG"
	case l < slog.LevelWarn:
		return "INFO"
	case l < slog.LevelError:
		return "WARN"
	}
	return "ERROR"
}

type lineHandler struct {
	w     io.Writer
	mu    *sync.Mutex
	level slog.Leveler
	attrs string
}

func (h *lineHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %-7s vault-renderer: %s", r.Time.UTC().Format("2006-01-02T15:04:05.000Z"), "["+levelName(r.Level)+"]", oneLine(r.Message))
	attrs := h.attrs
	r.Attrs(func(a slog.Attr) bool {
		attrs += format(a)
		return true
	})
	if attrs != "" {
		b.WriteString(":" + attrs)
	}
	b.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.w, b.String())
	return err
}

func (h *lineHandler) WithAttrs(as []slog.Attr) slog.Handler {
	c := *h
	for _, a := range as {
		c.attrs += format(a)
	}
	return &c
}

// WithGroup implements slog.Handler; groups are not used here.
func (h *lineHandler) WithGroup(string) slog.Handler { return h }

func format(a slog.Attr) string {
	v := a.Value.Resolve().String()
	if v == "" || strings.ContainsAny(v, " \t\n\"=") {
		v = strconv.Quote(v)
	}
	return " " + a.Key + "=" + v
}

// oneLine keeps a message on one line: a log line is one event.
func oneLine(s string) string { return strings.ReplaceAll(s, "\n", " | ") }

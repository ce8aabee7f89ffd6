package report

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// LevelTrace is Vault's trace level: below slog's debug.
const LevelTrace = slog.LevelDebug - 4

// rootModule is the module of lines without a name, and the first part of all
// the others.
const rootModule = "agent"

// moduleKey is the attribute that both formats print as the module. Other
// handlers, such as those of tests, show it like any attribute.
const moduleKey = "module"

// NewLogHandler gives a handler that writes lines of Vault Agent's form: format
// "json" has one object a line (@level, @message, @module, @timestamp, then the
// keys), everything else is
// `2006-01-02T15:04:05.000Z [INFO]  agent.auth.handler: message: key=value`.
func NewLogHandler(w io.Writer, format string, level slog.Leveler) slog.Handler {
	h := &logHandler{w: w, mu: &sync.Mutex{}, level: level, module: rootModule, line: plainLine}
	if strings.EqualFold(format, "json") {
		h.line = jsonLine
	}
	return h
}

// Named gives a logger whose lines say which part of the program speaks:
// Named(log, "auth.handler") prints `agent.auth.handler:`. Names do not add up:
// the last one counts.
func Named(log *slog.Logger, module string) *slog.Logger {
	return log.With(moduleKey, module)
}

// logHandler collects what a line says; line lays it out.
type logHandler struct {
	w      io.Writer
	mu     *sync.Mutex
	level  slog.Leveler
	module string
	attrs  []slog.Attr
	group  string // before every key, with its dot
	line   func(r slog.Record, module string, attrs []slog.Attr) []byte
}

func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	c := *h
	c.attrs = slices.Clip(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		c.add(h.group, a)
		return true
	})
	line := c.line(r, c.module, c.attrs)
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.w.Write(line)
	return err
}

func (h *logHandler) WithAttrs(as []slog.Attr) slog.Handler {
	c := *h
	c.attrs = slices.Clip(h.attrs)
	for _, a := range as {
		c.add(h.group, a)
	}
	return &c
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	c := *h
	if name != "" {
		c.group += name + "."
	}
	return &c
}

// add resolves an attribute; those of a group become keys of their own.
func (h *logHandler) add(group string, a slog.Attr) {
	v := a.Value.Resolve()
	switch {
	case v.Kind() == slog.KindGroup:
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, inner := range v.Group() {
			h.add(group, inner)
		}
	case group+a.Key == moduleKey:
		h.module = rootModule + "." + v.String()
	case !a.Equal(slog.Attr{}):
		h.attrs = append(h.attrs, slog.Attr{Key: group + a.Key, Value: v})
	}
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

// Tee writes to all of ws, whatever becomes of the others: a log file on a full
// disk does not silence standard error, nor the other way round.
func Tee(ws ...io.Writer) io.Writer { return tee(ws) }

type tee []io.Writer

func (t tee) Write(p []byte) (int, error) {
	var first error
	for _, w := range t {
		if _, err := w.Write(p); err != nil && first == nil {
			first = fmt.Errorf("write the log: %w", err)
		}
	}
	return len(p), first
}

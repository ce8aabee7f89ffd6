package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

type hidden struct{ s *string }

func (hidden) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "[redacted]") }
func (hidden) LogValue() slog.Value       { return slog.StringValue("[redacted]") }

// logged is what f writes, at the bubble's first moment.
func logged(t *testing.T, format string, f func(*slog.Logger)) string {
	t.Helper()
	var b bytes.Buffer
	synctest.Test(t, func(*testing.T) {
		f(slog.New(NewLogHandler(&b, format, LevelTrace)))
	})
	return b.String()
}

func TestLogLines(t *testing.T) {
	secret := "canary-secret"
	for _, c := range []struct {
		name, want, json string
		log              func(*slog.Logger)
	}{
		{
			"root", "[INFO]  agent: started: version=dev templates=1",
			`{"@level":"info","@message":"started","@module":"agent","@timestamp":"2000-01-01T00:00:00.000000Z","templates":1,"version":"dev"}`,
			func(l *slog.Logger) { l.Info("started", "version", "dev", "templates", 1) },
		},
		{
			"module", "[ERROR] agent.auth.handler: no login: method=jwt backoff=1.5s",
			`{"@level":"error","@message":"no login","@module":"agent.auth.handler","@timestamp":"2000-01-01T00:00:00.000000Z","backoff":"1.5s","method":"jwt"}`,
			func(l *slog.Logger) {
				Named(l.With("method", "jwt"), "auth.handler").Error("no login", "backoff", 1500*time.Millisecond)
			},
		},
		{
			"module of a module", "[WARN]  agent.sink.file: w",
			`{"@level":"warn","@message":"w","@module":"agent.sink.file","@timestamp":"2000-01-01T00:00:00.000000Z"}`,
			func(l *slog.Logger) { Named(Named(l, "sink.server"), "sink.file").Warn("w") },
		},
		{
			"quoted", `[DEBUG] agent: m: a="two words" b="" c="q\"q" d=x=y e="é" f="a,b" g="\x1b[2J"`, "",
			func(l *slog.Logger) {
				l.Debug("m", "a", "two words", "b", "", "c", `q"q`, "d", "x=y", "e", "é", "f", "a,b", "g", "\x1b[2J")
			},
		},
		{
			"lines", "[TRACE] agent: m: a=1\n  b=\n  | one\n  | \n  | \\x1btwo \"q\"\n   c=2", "",
			func(l *slog.Logger) {
				l.Log(t.Context(), LevelTrace, "m", "a", 1, "b", "one\n\n\x1btwo \"q\"\n", "c", 2)
			},
		},
		{
			"message", "[INFO]  agent: one | two [2J", "",
			func(l *slog.Logger) { l.Info("one\ntwo\x1b[2J") },
		},
		{
			"values", `[INFO]  agent: m: error="no such thing" list=["a", "b c"] codes=[1, 2] yes=true f=1.5 nil=<nil>`, "",
			func(l *slog.Logger) {
				l.Info("m", "error", errors.New("no such thing"), "list", []string{"a", "b c"}, "codes", []int{1, 2}, "yes", true, "f", 1.5, "nil", nil)
			},
		},
		{
			"group", `[INFO]  agent: m: g.a=1 g.h.b=2`,
			`{"@level":"info","@message":"m","@module":"agent","@timestamp":"2000-01-01T00:00:00.000000Z","g.a":1,"g.h.b":2}`,
			func(l *slog.Logger) { l.WithGroup("g").Info("m", "a", 1, slog.Group("h", "b", 2)) },
		},
		{
			"redacted", `[INFO]  agent: m: v=[redacted] list=["[redacted]"]`, "",
			func(l *slog.Logger) {
				v := hidden{&secret}
				l.Info("m", "v", v, "list", []string{fmt.Sprint(v)})
			},
		},
		{
			"no JSON for it", "", `{"@level":"info","@message":"m","@module":"agent","@timestamp":"2000-01-01T00:00:00.000000Z","inf":"+Inf"}`,
			func(l *slog.Logger) { l.Info("m", "inf", slog.Float64Value(1/zero())) },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, want := logged(t, "standard", c.log), "2000-01-01T00:00:00.000Z "+c.want+"\n"; c.want != "" && got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			got := logged(t, "JSON", c.log)
			if c.json != "" && got != c.json+"\n" {
				t.Errorf("got\n%swant\n%s", got, c.json)
			}
			if !json.Valid([]byte(got)) || strings.Contains(got, secret) {
				t.Errorf("bad line: %s", got)
			}
		})
	}
}

func zero() float64 { return 0 }

func TestLogLevel(t *testing.T) {
	var b bytes.Buffer
	var level slog.LevelVar
	log := Named(slog.New(NewLogHandler(&b, "standard", &level)), "template.server")
	log.Debug("hidden")
	level.Set(slog.LevelDebug)
	log.Debug("shown")
	if got := b.String(); strings.Contains(got, "hidden") || !strings.Contains(got, "agent.template.server: shown") {
		t.Errorf("got %q", got)
	}
}

// TestLogSharing lets two loggers grow out of one: neither may see the other's
// attributes.
func TestLogSharing(t *testing.T) {
	got := logged(t, "standard", func(l *slog.Logger) {
		l = l.With("a", 1, "b", 2).With("c", 3)
		x, y := l.With("x", 1), l.With("y", 2)
		x.Info("m", "z", 1)
		y.Info("m", "z", 2)
	})
	if !strings.Contains(got, "a=1 b=2 c=3 x=1 z=1\n") || !strings.Contains(got, "a=1 b=2 c=3 y=2 z=2\n") {
		t.Errorf("got %s", got)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestTee(t *testing.T) {
	var a, b bytes.Buffer
	if _, err := Tee(&a, broken{}, &b).Write([]byte("x")); err == nil || a.String() != "x" || b.String() != "x" {
		t.Errorf("%q %q %v", a.String(), b.String(), err)
	}
}

package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// source is who did something.
type source struct{ name, colour string }

var (
	fromDemo     = source{"demo", "1"}
	fromRenderer = source{"renderer", "36"}
	fromHook     = source{"hook", "34"}
	fromWebapp   = source{"webapp", "32"}
	fromVault    = source{"vault", "33"}
	fromTraffic  = source{"traffic", "35"}
)

// timeline is the one view of what happens: a line per event, from anywhere.
type timeline struct {
	began  time.Time
	colour bool

	mu  sync.Mutex
	out io.Writer
}

func (t *timeline) say(s source, format string, args ...any) {
	t.line(s, "", fmt.Sprintf(format, args...))
}

// warn is say for what should not happen.
func (t *timeline) warn(s source, format string, args ...any) {
	t.line(s, "31", fmt.Sprintf(format, args...))
}

func (t *timeline) line(s source, colour, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := fmt.Sprintf("%+.1fs", time.Since(t.began).Seconds())
	// Pad first: colours have no width.
	fmt.Fprintf(t.out, "%8s  %s  %s\n", at, t.paint(s.colour, fmt.Sprintf("%-8s", s.name)), t.paint(colour, text))
}

// note stands out between the events.
func (t *timeline) note(text ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintln(t.out)
	for _, line := range text {
		fmt.Fprintf(t.out, "  %s\n", t.paint("1", line))
	}
	fmt.Fprintln(t.out)
}

func (t *timeline) paint(colour, text string) string {
	if !t.colour || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

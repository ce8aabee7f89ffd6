// Package report turns errors and diagnostics into text for people. It prints
// what it is given: callers must never put a secret value into an error, a
// hint or a diagnostic.
package report

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

const program = "vault-renderer"

// Hint is an error together with the next step to take.
type Hint struct {
	Err  error
	Text string
}

// WithHint says what to do about err; nil stays nil.
func WithHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &Hint{Err: err, Text: hint}
}

// Error is the error without its hint.
func (h *Hint) Error() string { return h.Err.Error() }

// Unwrap gives the error that the hint belongs to.
func (h *Hint) Unwrap() error { return h.Err }

// Error prints err, joined errors one per line, and then the hints in it, each
// once.
func Error(w io.Writer, err error) {
	if err == nil {
		return
	}
	for _, line := range lines(err) {
		fmt.Fprintf(w, "%s: error: %s\n", program, clean(line))
	}
	seen := map[string]bool{}
	for _, h := range hints(err) {
		if !seen[h] {
			fmt.Fprintf(w, "%s: hint: %s\n", program, clean(h))
		}
		seen[h] = true
	}
}

// lines splits err where errors were joined. What was wrapped around a joined
// error is said again with each of its parts.
func lines(err error) []string {
	text := err.Error()
	var inner []error
	switch u := err.(type) {
	case interface{ Unwrap() []error }:
		inner = u.Unwrap()
	case interface{ Unwrap() error }:
		if e := u.Unwrap(); e != nil {
			inner = []error{e}
		}
	}
	var parts, texts []string
	for _, e := range inner {
		parts = append(parts, lines(e)...)
		texts = append(texts, e.Error())
	}
	if prefix, ok := strings.CutSuffix(text, strings.Join(texts, "\n")); ok && len(parts) > 0 {
		for i := range parts {
			parts[i] = prefix + parts[i]
		}
		return parts
	}
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
}

func hints(err error) []string {
	var out []string
	if h, ok := err.(*Hint); ok {
		out = append(out, h.Text)
	}
	switch u := err.(type) {
	case interface{ Unwrap() []error }:
		for _, e := range u.Unwrap() {
			out = append(out, hints(e)...)
		}
	default:
		if e := errors.Unwrap(err); e != nil {
			out = append(out, hints(e)...)
		}
	}
	return out
}

// clean takes control characters out: a server's message must not be able to
// steer the terminal or to fake a line of its own.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

package state

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Hidden is a secret text. Printing, logging and marshalling it give
// "[redacted]"; Reveal gives the text. It is behind a pointer because fmt goes
// past Formatter in its own error texts, but never follows a pointer there.
type Hidden struct{ text *string }

// Hide wraps a text. The zero Hidden is Hide("").
func Hide(text string) Hidden {
	if text == "" {
		return Hidden{}
	}
	return Hidden{&text}
}

// Reveal gives the text.
func (h Hidden) Reveal() string {
	if h.text == nil {
		return ""
	}
	return *h.text
}

// Empty says whether there is no text.
func (h Hidden) Empty() bool { return h.text == nil }

// Equal says whether two texts are the same.
func (h Hidden) Equal(o Hidden) bool { return h.Reveal() == o.Reveal() }

// Format implements fmt.Formatter: it never prints the text.
func (h Hidden) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer: it never logs the text.
func (h Hidden) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON implements json.Marshaler: it never writes the text.
func (h Hidden) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

package report

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	plainTime = "2006-01-02T15:04:05.000Z"
	jsonTime  = "2006-01-02T15:04:05.000000Z"
)

// plainLine is the standard form. A value of several lines stands on lines of
// its own behind a bar, so that nothing in it can pass for a line of the log.
func plainLine(r slog.Record, module string, attrs []slog.Attr) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %-7s %s: %s", r.Time.UTC().Format(plainTime), "["+levelName(r.Level)+"]", module, oneLine(r.Message))
	if len(attrs) > 0 {
		b.WriteByte(':')
	}
	for _, a := range attrs {
		v, raw := plainValue(a.Value)
		switch {
		case strings.Contains(v, "\n"):
			b.WriteString("\n  " + a.Key + "=\n")
			for line := range strings.Lines(v) {
				b.WriteString("  | " + escape(strings.TrimSuffix(line, "\n"), false) + "\n")
			}
			b.WriteString("  ")
		case !raw && needsQuotes(v):
			b.WriteString(" " + a.Key + `="` + escape(v, true) + `"`)
		default:
			b.WriteString(" " + a.Key + "=" + v)
		}
	}
	b.WriteByte('\n')
	return []byte(b.String())
}

// plainValue is a value's text; a raw one is quoted already where it must be.
func plainValue(v slog.Value) (text string, raw bool) {
	switch v.Kind() {
	case slog.KindString:
		if v.String() == "" {
			return `""`, true
		}
		return v.String(), false
	case slog.KindAny:
		return plainAny(v.Any())
	}
	return v.String(), false
}

func plainAny(x any) (text string, raw bool) {
	switch x.(type) {
	case fmt.Formatter, fmt.Stringer, error:
		return fmt.Sprint(x), false // it says itself how it is shown
	}
	if v := reflect.ValueOf(x); v.Kind() == reflect.Slice {
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = element(v.Index(i))
		}
		return "[" + strings.Join(parts, ", ") + "]", true
	}
	return fmt.Sprint(x), false
}

// element is one value of a list: strings are quoted, so that a blank in one
// does not look like two.
func element(v reflect.Value) string {
	text := fmt.Sprint(v.Interface())
	if v.Kind() == reflect.String || strings.ContainsAny(text, " \t\n\r") {
		return strconv.Quote(text)
	}
	return text
}

// needsQuotes tells whether s has anything but the ASCII from "-" to "~".
func needsQuotes(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < '-' || r > '~' })
}

// escape takes the teeth out of what a terminal would obey.
func escape(s string, quotes bool) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == '"' }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '"' && quotes:
			b.WriteString(`\"`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
}

// oneLine keeps a message on one line: a log line is one event.
func oneLine(s string) string { return clean(strings.ReplaceAll(s, "\n", " | ")) }

// jsonLine is one object: Vault's own keys come first, as the sorted order has
// it.
func jsonLine(r slog.Record, module string, attrs []slog.Attr) []byte {
	object := make(map[string]any, len(attrs)+4)
	for _, a := range attrs {
		object[a.Key] = jsonValue(a.Value)
	}
	object["@level"] = strings.ToLower(levelName(r.Level))
	object["@message"] = r.Message
	object["@module"] = module
	object["@timestamp"] = r.Time.UTC().Format(jsonTime)
	line, err := json.Marshal(object)
	if err != nil { // something that has no JSON: its text then
		for _, a := range attrs {
			object[a.Key], _ = plainValue(a.Value)
		}
		line, _ = json.Marshal(object)
	}
	return append(line, '\n')
}

func jsonValue(v slog.Value) any {
	switch x := v.Any().(type) {
	case time.Duration:
		return x.String()
	case json.Marshaler:
		return x
	case error:
		return x.Error()
	default:
		return x
	}
}

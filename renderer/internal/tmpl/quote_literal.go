package tmpl

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// jsonQuote writes numbers as strings too: it makes a string, always.
func jsonQuote(v any) (string, error) {
	return literal(v, func(r rune) string { return fmt.Sprintf(`\u%04x`, r) })
}

func tomlQuote(v any) (string, error) {
	return literal(v, func(r rune) string { return fmt.Sprintf(`\u%04X`, r) })
}

// yamlQuote writes a double-quoted scalar, which YAML 1.1 and 1.2 read alike.
func yamlQuote(v any) (string, error) {
	return literal(v, func(r rune) string { return fmt.Sprintf(`\u%04X`, r) })
}

// literal is a string between double quotes. What is not printed, but in the
// basic plane, is left to escape; the rest stands as it is: the formats
// disagree about how to escape it.
func literal(v any, escape func(rune) string) (string, error) {
	s, err := quotableText(v)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"', r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r <= 0xffff && !unicode.IsPrint(r):
			b.WriteString(escape(r))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String(), nil
}

var (
	errXML     = errors.New("the value holds a character that XML can't carry")
	xmlEscapes = strings.NewReplacer(
		"&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;", "\t", "&#9;", "\n", "&#10;", "\r", "&#13;",
	)
)

func xmlEscape(v any) (string, error) {
	s, err := quotableText(v)
	if err != nil {
		return "", err
	}
	for _, r := range s {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return "", errXML
		}
	}
	return xmlEscapes.Replace(s), nil
}

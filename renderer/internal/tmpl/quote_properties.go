package tmpl

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"
)

// propertiesQuote writes ASCII only: Java up to 8 reads ISO 8859-1, later ones
// UTF-8, and both know \uXXXX.
func propertiesQuote(v any) (string, error) {
	s, err := quotableText(v)
	if err != nil {
		return "", err
	}
	return propertiesText(s, false), nil
}

// propertiesText escapes a value or a key. A blank at either end is written as
// \u0020: editors and other readers trim lines.
func propertiesText(s string, key bool) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case strings.ContainsRune(`\=:#!`, r):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == ' ' && !key && i > 0 && i < len(s)-1:
			b.WriteByte(' ')
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r > ' ' && r < 0x7f:
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04X\u%04X`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04X`, r)
		}
	}
	return b.String()
}

func toProperties(v any) (string, error) {
	m, err := stringMap(v)
	if err != nil {
		return "", err
	}
	lines, err := propertiesLines("", m, map[string]bool{}, 0)
	return strings.Join(lines, "\n"), err
}

// propertiesDepth bounds a map that holds itself.
const propertiesDepth = 64

func propertiesLines(prefix string, m map[string]any, seen map[string]bool, depth int) (out []string, err error) {
	if depth > propertiesDepth {
		return nil, fmt.Errorf("maps in maps more than %d deep", propertiesDepth)
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		name := prefix + k
		if isMap(m[k]) {
			inner, err := stringMap(m[k])
			if err != nil {
				return nil, atKey(name, err)
			}
			lines, err := propertiesLines(name+".", inner, seen, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, lines...)
			continue
		}
		s, err := quotableText(m[k])
		switch {
		case err != nil:
			return nil, atKey(name, err)
		case seen[name]:
			return nil, atKey(name, fmt.Errorf("it is there twice"))
		}
		seen[name] = true
		out = append(out, propertiesText(name, true)+"="+propertiesText(s, false))
	}
	return out, nil
}

package config

import (
	"bytes"

	"github.com/hashicorp/hcl/v2"
)

// lenientJSON blanks out what HCL1's reader of JSON lets through and JSON does
// not have: a comma before a closing bracket, and text behind the object.
// Offsets stay as they are.
func lenientJSON(name string, src []byte) ([]byte, hcl.Diagnostics) {
	out := bytes.Clone(src)
	var diags hcl.Diagnostics
	warn := func(at int, summary, detail string) {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagWarning, Summary: summary, Detail: detail + " It is ignored, as in Vault Agent.", Subject: byteAt(name, src, at),
		})
	}
	depth, quoted, comma := 0, false, -1
	value := false // something stands between the last "{", "[" or "," and here
	for i := 0; i < len(src); i++ {
		c := src[i]
		switch {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted, comma, value = !quoted, -1, true
		case quoted, c == ' ', c == '\t', c == '\n', c == '\r':
		case c == '{' || c == '[':
			depth, comma, value = depth+1, -1, false
		case c == '}' || c == ']':
			if comma >= 0 {
				out[comma] = ' '
				if len(diags) == 0 { // once is enough
					warn(comma, "Trailing comma", "JSON has no comma behind the last element.")
				}
			}
			depth, comma, value = depth-1, -1, true
			if rest := bytes.TrimSpace(src[i+1:]); depth <= 0 && len(rest) > 0 {
				warn(i+1+bytes.Index(src[i+1:], rest[:1]), "Text behind the object", "The file ends with the brace that closes its object.")
				copy(out[i+1:], bytes.Repeat([]byte(" "), len(src)-i-1))
				return out, diags
			}
		case c == ',':
			if comma = -1; value {
				comma = i
			}
			value = false
		default:
			comma, value = -1, true
		}
	}
	return out, diags
}

// byteAt is the range of one byte.
func byteAt(name string, src []byte, at int) *hcl.Range {
	pos := hcl.Pos{
		Line:   bytes.Count(src[:at], []byte("\n")) + 1,
		Column: at - bytes.LastIndexByte(src[:at], '\n'),
		Byte:   at,
	}
	end := pos
	end.Column, end.Byte = end.Column+1, end.Byte+1
	return &hcl.Range{Filename: name, Start: pos, End: end}
}

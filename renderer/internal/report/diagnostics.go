package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// Style is how diagnostics are laid out.
type Style struct {
	Width uint // of the explanation; 0 = do not wrap
	Color bool // VT100 escapes, for a terminal
}

// Diagnostics prints warnings and errors with their source lines, without
// colour, 78 columns wide. files are the ones that the diagnostics speak of.
func Diagnostics(w io.Writer, files map[string]*hcl.File, diags hcl.Diagnostics) error {
	return Style{Width: 78}.Diagnostics(w, files, diags)
}

// Diagnostics prints warnings and errors in this style.
func (s Style) Diagnostics(w io.Writer, files map[string]*hcl.File, diags hcl.Diagnostics) error {
	return hcl.NewDiagnosticTextWriter(w, files, s.Width, s.Color).WriteDiagnostics(diags)
}

// At is an error at a line and column of src, both counted from 1 as template
// errors count them; a column of 0 means the whole line. To print it, the file
// must be among those given to Diagnostics: see File.
func At(filename string, src []byte, line, col int, summary, detail string) *hcl.Diagnostic {
	line, start, text := lineAt(src, line)
	at := hcl.Pos{Line: line, Column: 1, Byte: start}
	end := hcl.Pos{Line: line, Column: utf8.RuneCount(text) + 1, Byte: start + len(text)}
	if col > 0 {
		// The last byte at most: a range at the very end would show the next line too.
		skip := min(col-1, max(len(text)-1, 0))
		at.Column, at.Byte = col, start+skip
		_, size := utf8.DecodeRune(text[skip:])
		end = hcl.Pos{Line: line, Column: col + min(size, 1), Byte: at.Byte + size}
		detail = strings.TrimSpace(fmt.Sprintf("Column %d: %s", col, detail))
	}
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  summary,
		Detail:   detail,
		Subject:  &hcl.Range{Filename: filename, Start: at, End: end},
	}
}

// File wraps a source that is not HCL, such as a template, for Diagnostics.
func File(src []byte) *hcl.File { return &hcl.File{Bytes: src} }

// lineAt finds a line and the offset at which it starts; beyond the end it is
// the last line.
func lineAt(src []byte, want int) (line, start int, text []byte) {
	for line = 1; line < want; line++ {
		i := bytes.IndexByte(src[start:], '\n')
		if i < 0 || start+i+1 == len(src) {
			break
		}
		start += i + 1
	}
	text, _, _ = bytes.Cut(src[start:], []byte("\n"))
	return line, start, text
}

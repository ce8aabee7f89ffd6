package config

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/hcl/parser"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// syntaxError turns HCL1's terse error into a diagnostic. An error inside a
// list carries the inner position only in its text ("... At 3:5: ...").
func (r *hcl1) syntaxError(err error) *hcl.Diagnostic {
	line, col, text := 1, 1, err.Error()
	var pe *parser.PosError
	if errors.As(err, &pe) {
		line, col, text = pe.Pos.Line, pe.Pos.Column, pe.Err.Error()
	}
	inner := regexp.MustCompile(`(?s)^.*\bAt (\d+):(\d+): (.*)$`)
	if m := inner.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		col, _ = strconv.Atoi(m[2])
		text = m[3]
	}
	at := r.at(line, col, 1)
	if end := r.eof(); at.Start.Byte > end.Start.Byte {
		at = end
	}
	if d := r.openHeredoc(); d != nil && text == "heredoc not terminated" {
		return d
	}
	if r.badHeredoc(at.Start.Line) {
		return r.syntax(at, heredocRule)
	}
	return r.better(r.syntax(at, sentence(text)))
}

const heredocRule = "A heredoc starts with << and a word of letters and digits, without quotes, and the line ends right behind it: <<EOT."

// badHeredoc reports whether a line has a heredoc that does not start as HCL1
// wants it. HCL1 then stumbles over what follows.
func (r *hcl1) badHeredoc(line int) bool {
	lines := bytes.SplitN(r.src, []byte("\n"), line+1)
	return line <= len(lines) && regexp.MustCompile(`<<-?(["']|[\pL_0-9]*[^\pL_0-9<]|$)`).Match(lines[line-1])
}

// sentence makes the parser's words a sentence for people. Texts that dump a
// token with its value are replaced: a value must not be printed.
func sentence(text string) string {
	switch {
	case text == "":
		return "The file cannot be read from here on."
	case strings.HasPrefix(text, "key '"):
		return "\"=\" and a value, or \"{\", is expected behind a name."
	case strings.HasPrefix(text, "Unknown token"):
		return "A value is expected here: a string in quotes, a number, true, false, a list or a block."
	}
	text = strings.NewReplacer(
		"RBRACE", `"}"`, "LBRACE", `"{"`, "RBRACK", `"]"`, "ASSIGN", `"="`,
		"IDENT", "name", "STRING", "string", "EOF", "end of file",
	).Replace(text)
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// better prefers HCL2's explanation of the mistake if HCL2 stops at the same
// line, or knows which block was never closed: it says more.
func (r *hcl1) better(d *hcl.Diagnostic) *hcl.Diagnostic {
	// HCL2's parser calls itself for every sign of nesting, also in places that
	// are no nesting for HCL1: only a file of a usual size is safe with it.
	if len(r.src) > 64<<10 {
		return d
	}
	_, diags := hclsyntax.ParseConfig(r.src, r.name, hcl.InitialPos)
	for i, err := range diags.Errs() {
		x, ok := err.(*hcl.Diagnostic)
		if !ok || x.Subject == nil || x.Summary == "Invalid expression" {
			continue
		}
		at := x.Subject.Start
		unclosed := d.Subject.Start == r.eof().Start && x.Summary == "Unclosed configuration block"
		if unclosed || i == 0 && at.Line == d.Subject.Start.Line {
			subject := r.at(at.Line, at.Column, 1)
			return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: x.Summary, Detail: x.Detail, Subject: &subject}
		}
	}
	return d
}

// openHeredoc looks for the heredoc that never ends; HCL1 only says that the
// file ends too early.
func (r *hcl1) openHeredoc() *hcl.Diagnostic {
	head := regexp.MustCompile(`<<-?([\pL_0-9]+)\n`)
	for off := 0; ; {
		m := head.FindSubmatchIndex(r.src[off:])
		if m == nil {
			return nil
		}
		word := string(r.src[off+m[2] : off+m[3]])
		body := off + m[1]
		end := regexp.MustCompile(`(?m)^[[:space:]]*` + regexp.QuoteMeta(word) + `\n`).FindIndex(r.src[body:])
		if end == nil {
			line := bytes.Count(r.src[:off+m[0]], []byte("\n")) + 1
			d := r.syntax(r.at(line, 1, 1), "The text that starts here has no end: a line with "+word+" alone, and a line break after it, must follow.")
			d.Summary = "Unterminated heredoc"
			return d
		}
		off = body + end[1]
	}
}

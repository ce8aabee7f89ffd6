package config

import (
	"bytes"
	"strings"

	"github.com/hashicorp/hcl/hcl/ast"
	"github.com/hashicorp/hcl/hcl/parser"
	"github.com/hashicorp/hcl/hcl/token"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// hcl1 turns the syntax tree of HCL version 1, the language that Vault Agent
// reads, into a body. src must have no "\r\n": HCL1 reads them as "\n", and so
// the offsets it gives count them as one byte.
type hcl1 struct {
	name  string
	src   []byte
	diags hcl.Diagnostics
}

// parseHCL1 reads one file. The body is never nil.
func parseHCL1(name string, src []byte) (*body, hcl.Diagnostics) {
	r := &hcl1{name: name, src: src}
	empty := &body{end: r.eof()}
	if bytes.HasPrefix(src, []byte("\xef\xbb\xbf")) {
		return empty, hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Byte order mark",
			Detail:  "The file starts with a byte order mark (three bytes that some editors add). Save it as UTF-8 without one.",
			Subject: r.at(1, 1, 1).Ptr(),
		}}
	}
	if at := tooDeepHCL(src); at >= 0 {
		return empty, hcl.Diagnostics{tooDeep(name, src, at)}
	}
	root, diag := r.parse()
	if diag != nil {
		return empty, hcl.Diagnostics{diag}
	}
	b := r.body(root.Items, r.eof())
	return b, r.diags
}

// parse runs HCL1's parser, which panics on some inputs.
func (r *hcl1) parse() (root *ast.ObjectList, diag *hcl.Diagnostic) {
	defer func() {
		if recover() != nil {
			root, diag = nil, r.syntax(r.at(1, 1, 1), "The file cannot be read as HCL.")
		}
	}()
	// Duplicate keys are looked for later, to name both lines.
	file, err := parser.ParseDontErrorOnDuplicateKeys(r.src)
	if err != nil {
		return nil, r.syntaxError(err)
	}
	list, ok := file.Node.(*ast.ObjectList)
	if !ok {
		return nil, r.syntax(r.at(1, 1, 1), "The file has no root object.")
	}
	return list, nil
}

func (r *hcl1) syntax(subject hcl.Range, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Invalid syntax", Detail: detail, Subject: subject.Ptr(),
	}
}

func (r *hcl1) body(items []*ast.ObjectItem, end hcl.Range) *body {
	b := &body{end: end}
	for _, it := range items {
		if len(it.Keys) == 0 || it.Val == nil {
			continue
		}
		x := &item{assign: it.Assign.IsValid(), nameRange: r.token(it.Keys[0].Token)}
		x.name, x.raw = r.key(it.Keys[0]), it.Keys[0].Token.Text
		for _, k := range it.Keys[1:] {
			x.labels = append(x.labels, r.key(k))
			x.labelRange = append(x.labelRange, r.token(k.Token))
		}
		x.val = r.node(it.Val)
		b.items = append(b.items, x)
	}
	return b
}

func (r *hcl1) key(k *ast.ObjectKey) string {
	s, _ := r.literal(k.Token).(string)
	return s
}

func (r *hcl1) node(n ast.Node) *node {
	switch t := n.(type) {
	case *ast.ObjectType:
		end := r.pos(t.Rbrace, 1)
		rng := hcl.RangeBetween(r.pos(t.Lbrace, 1), end)
		return &node{obj: r.body(t.List.Items, end), rng: rng, start: r.pos(t.Lbrace, 1)}
	case *ast.ListType:
		out := &node{list: true, rng: hcl.RangeBetween(r.pos(t.Lbrack, 1), r.pos(t.Rbrack, 1)), start: r.pos(t.Lbrack, 1)}
		for _, e := range t.List {
			out.elems = append(out.elems, r.node(e))
		}
		return out
	case *ast.LiteralType:
		full := r.pos(t.Token.Pos, len(t.Token.Text))
		value := r.literal(t.Token)
		out := &node{rng: full, start: r.token(t.Token), text: r.text(t.Token, value)}
		switch v := value.(type) {
		case string:
			out.scalar = cty.StringVal(v)
		case bool:
			out.scalar = cty.BoolVal(v)
		case int64:
			out.scalar = cty.NumberIntVal(v)
		case float64:
			out.scalar = cty.NumberFloatVal(v)
		default:
			out.scalar = cty.NullVal(cty.DynamicPseudoType)
		}
		return out
	}
	return &node{scalar: cty.NullVal(cty.DynamicPseudoType), rng: r.at(1, 1, 1), start: r.at(1, 1, 1)}
}

// literal is the token's value by HCL1's rules, whose implementation panics on
// values out of range and on some escapes.
func (r *hcl1) literal(t token.Token) (v any) {
	defer func() {
		if recover() != nil {
			v = nil
			r.diags = append(r.diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Invalid value",
				Detail:  "This value is out of range or has an escape sequence that HCL does not know.",
				Subject: r.token(t).Ptr(),
			})
		}
	}()
	return t.Value()
}

// text finds the first line of a string's characters. The column of a heredoc
// whose indent was stripped counts the indent, so that a column of the text
// plus this one, less one, is a column of the file.
func (r *hcl1) text(t token.Token, value any) hcl.Range {
	if t.Type == token.HEREDOC {
		head := strings.IndexByte(t.Text, '\n') + 1
		start, indent := t.Pos.Offset+head, 0
		if v, ok := value.(string); ok {
			first, _, _ := strings.Cut(t.Text[head:], "\n")
			got, _, _ := strings.Cut(v, "\n")
			indent = max(0, len(first)-len(got))
		}
		// The token ends with the line of the end mark and its line break.
		end := head + strings.LastIndexByte(strings.TrimSuffix(t.Text[head:], "\n"), '\n') + 1
		lines := strings.Count(t.Text[:end], "\n")
		return hcl.Range{
			Filename: r.name,
			Start:    hcl.Pos{Line: t.Pos.Line + 1, Column: 1 + indent, Byte: start + indent},
			End:      hcl.Pos{Line: t.Pos.Line + lines, Column: 1, Byte: t.Pos.Offset + end},
		}
	}
	full := r.token(t)
	if t.Type == token.STRING && len(t.Text) >= 2 {
		full.Start.Column, full.Start.Byte = full.Start.Column+1, full.Start.Byte+1
		full.End.Column, full.End.Byte = full.End.Column-1, full.End.Byte-1
	}
	return full
}

// token is the range of a token's first line.
func (r *hcl1) token(t token.Token) hcl.Range {
	text, _, _ := strings.Cut(t.Text, "\n")
	return r.pos(t.Pos, len(text))
}

func (r *hcl1) pos(p token.Pos, n int) hcl.Range {
	start := min(max(p.Offset, 0), len(r.src))
	end := min(start+n, len(r.src))
	s := hcl.Pos{Line: p.Line, Column: p.Column, Byte: start}
	e := hcl.Pos{Line: p.Line, Column: p.Column + end - start, Byte: end}
	if text := r.src[start:end]; bytes.IndexByte(text, '\n') >= 0 {
		e.Line += bytes.Count(text, []byte("\n"))
		e.Column = len(text) - bytes.LastIndexByte(text, '\n')
	}
	return hcl.Range{Filename: r.name, Start: s, End: e}
}

// at is the range of n bytes at a line and column, kept inside the file.
func (r *hcl1) at(line, col, n int) hcl.Range {
	off, l := 0, 1
	for l < line {
		i := bytes.IndexByte(r.src[off:], '\n')
		if i < 0 {
			break
		}
		off, l = off+i+1, l+1
	}
	rest := len(r.src) - off
	if i := bytes.IndexByte(r.src[off:], '\n'); i >= 0 {
		rest = i
	}
	// A range behind the last character would make HCL's writer show one line more.
	col = min(max(col, 1), max(rest, 1))
	return r.pos(token.Pos{Offset: off + col - 1, Line: l, Column: col}, min(n, rest-col+1))
}

// eof is the last character of the file that is not blank.
func (r *hcl1) eof() hcl.Range {
	text := bytes.TrimRight(r.src, " \t\n")
	if len(text) == 0 {
		return r.at(1, 1, 0)
	}
	line := bytes.Count(text, []byte("\n")) + 1
	return r.at(line, len(text)-bytes.LastIndexByte(text, '\n')-1, 1)
}

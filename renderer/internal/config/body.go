package config

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// body is an hcl.Body over the tree that hcl1.go or json.go built. It departs
// from HCL2's own bodies in three ways, because Vault Agent's files need it:
// names are matched without regard to case, `name = { }` and `name { }` are the
// same thing, and a block may carry any number of labels (the schema's
// LabelNames only say whether labels mean anything).
type body struct {
	items  []*item
	end    hcl.Range      // where a missing item would have to be written
	hidden map[*item]bool // taken by an earlier PartialContent
	json   bool
}

// item is one `name "label" = value` or `name "label" { ... }`.
type item struct {
	name       string // as it reads, without quotes
	raw        string // as it is written
	nameRange  hcl.Range
	labels     []string
	labelRange []hcl.Range
	assign     bool // with "=" (or JSON's ":")
	val        *node
}

// node is one value: exactly one of obj, elems (with list set) and scalar counts.
type node struct {
	obj    *body
	list   bool
	elems  []*node
	scalar cty.Value
	rng    hcl.Range // the whole value
	start  hcl.Range // its first line: what a diagnostic should show
	text   hcl.Range // the characters of a string, without quotes or heredoc marks
}

var (
	_ hcl.Body       = (*body)(nil)
	_ hcl.Expression = (*node)(nil)
)

// Content is PartialContent plus an error for every item that s does not name.
func (b *body) Content(s *hcl.BodySchema) (*hcl.BodyContent, hcl.Diagnostics) {
	c, rest, diags := b.PartialContent(s)
	for _, it := range rest.(*body).visible() {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Unsupported argument",
			Detail:   fmt.Sprintf("%q is not expected here.", it.name),
			Subject:  it.nameRange.Ptr(),
		})
	}
	return c, diags
}

// PartialContent picks what s names. A name that s has as attribute and as
// block becomes a block if its value is an object or a list of objects.
func (b *body) PartialContent(s *hcl.BodySchema) (*hcl.BodyContent, hcl.Body, hcl.Diagnostics) {
	c := &hcl.BodyContent{Attributes: hcl.Attributes{}, MissingItemRange: b.end}
	rest := &body{items: b.items, end: b.end, hidden: map[*item]bool{}, json: b.json}
	attrs, blocks := map[string]bool{}, map[string]*hcl.BlockHeaderSchema{}
	for _, a := range s.Attributes {
		attrs[a.Name] = true
	}
	for i := range s.Blocks {
		blocks[s.Blocks[i].Type] = &s.Blocks[i]
	}
	var diags hcl.Diagnostics
	for _, it := range b.items {
		name := strings.ToLower(it.name)
		header := blocks[name]
		if rest.hidden[it] = b.hidden[it] || attrs[name] || header != nil; b.hidden[it] || !rest.hidden[it] {
			continue
		}
		bodies, isBlock := it.val.bodies()
		switch {
		case header != nil && isBlock:
			c.Blocks = append(c.Blocks, it.blocks(header, bodies)...)
		case attrs[name]:
			// A repeated attribute was reported when the file was read; the last wins.
			c.Attributes[name] = it.attribute(name)
		default:
			diags = append(diags, notBlock(it))
		}
	}
	for _, a := range s.Attributes {
		if a.Required && c.Attributes[a.Name] == nil {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Missing required argument",
				Detail:   fmt.Sprintf("The argument %q is required, but it is not set.", a.Name),
				Subject:  b.end.Ptr(),
			})
		}
	}
	return c, rest, diags
}

// JustAttributes returns every item, blocks too, as attributes. Of a repeated
// name it returns the last.
func (b *body) JustAttributes() (hcl.Attributes, hcl.Diagnostics) {
	out := hcl.Attributes{}
	for _, it := range b.visible() {
		out[it.name] = it.attribute(it.name)
	}
	return out, nil
}

// MissingItemRange is where a missing item would have to be written.
func (b *body) MissingItemRange() hcl.Range { return b.end }

func (b *body) visible() []*item {
	var out []*item
	for _, it := range b.items {
		if !b.hidden[it] {
			out = append(out, it)
		}
	}
	return out
}

func notBlock(it *item) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Block expected",
		Detail:   fmt.Sprintf("%[1]q must be a block: %[1]s { ... }.", it.name),
		Subject:  it.nameRange.Ptr(),
	}
}

func (it *item) attribute(name string) *hcl.Attribute {
	return &hcl.Attribute{
		Name:      name,
		Expr:      it.val,
		Range:     hcl.RangeBetween(it.nameRange, it.val.rng),
		NameRange: it.nameRange,
	}
}

func (it *item) blocks(h *hcl.BlockHeaderSchema, bodies []*body) hcl.Blocks {
	var out hcl.Blocks
	for _, b := range bodies {
		inner := []*item{{labels: it.labels, labelRange: it.labelRange, val: &node{obj: b}}}
		if len(it.labels) == 0 && len(h.LabelNames) > 0 && b.json {
			inner = b.jsonLabels(inner)
		}
		for _, x := range inner {
			objs, _ := x.val.bodies()
			for _, o := range objs {
				out = append(out, &hcl.Block{
					Type: h.Type, Labels: x.labels, LabelRanges: x.labelRange,
					Body: o, TypeRange: it.nameRange, DefRange: it.header(x.labelRange),
				})
			}
		}
	}
	return out
}

// jsonLabels follows Vault Agent's rule for JSON: an object whose values are
// all objects stands for labelled blocks, its keys being the labels.
func (b *body) jsonLabels(plain []*item) []*item {
	var out []*item
	for _, it := range b.items {
		if _, ok := it.val.bodies(); !ok {
			return plain
		}
		out = append(out, &item{
			labels: []string{it.name}, labelRange: []hcl.Range{it.nameRange}, val: it.val,
		})
	}
	if len(out) == 0 {
		return plain
	}
	return out
}

// header is the range of `name "label"` as far as that stands on one line.
func (it *item) header(labels []hcl.Range) hcl.Range {
	r := it.nameRange
	for _, l := range labels {
		if l.Start.Line == r.Start.Line && l.End.Byte > r.End.Byte {
			r.End = l.End
		}
	}
	return r
}

// bodies gives the objects of a value that is an object or a list of objects.
func (n *node) bodies() ([]*body, bool) {
	if n.obj != nil {
		return []*body{n.obj}, true
	}
	var out []*body
	for _, e := range n.elems {
		if e.obj == nil {
			return nil, false
		}
		out = append(out, e.obj)
	}
	return out, len(out) > 0
}

// Value never looks at the context: these files have no expressions.
func (n *node) Value(*hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	switch {
	case n.obj != nil:
		m := map[string]cty.Value{}
		for _, it := range n.obj.items {
			m[it.name], _ = it.val.Value(nil)
		}
		return cty.ObjectVal(m), nil
	case n.list:
		vs := make([]cty.Value, 0, len(n.elems))
		for _, e := range n.elems {
			v, _ := e.Value(nil)
			vs = append(vs, v)
		}
		return cty.TupleVal(vs), nil
	}
	return n.scalar, nil
}

// Variables is empty: `${...}` is ordinary text in these files.
func (n *node) Variables() []hcl.Traversal { return nil }

// Range is the whole value.
func (n *node) Range() hcl.Range { return n.rng }

// StartRange is the first line of the value.
func (n *node) StartRange() hcl.Range { return n.start }

func (n *node) scalarOrNull() cty.Value {
	if n.obj != nil || n.list {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	return n.scalar
}

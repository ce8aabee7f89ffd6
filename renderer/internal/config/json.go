package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
)

// parseJSON reads one file in JSON. The body is never nil.
//
// The tree is built here rather than taken from hcl/v2/json's own body, which
// asks for a fixed number of labels and does not keep repeated names.
func parseJSON(name string, src []byte) (*body, hcl.Diagnostics) {
	start := hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos}
	empty := &body{end: start, json: true}
	if at := tooDeepJSON(src); at >= 0 {
		return empty, hcl.Diagnostics{tooDeep(name, src, at)}
	}
	// The nil EvalContext below is what keeps "${" ordinary text.
	clean, lenient := lenientJSON(name, src)
	expr, diags := json.ParseExpression(clean, name)
	if diags.HasErrors() {
		// The first is the mistake; those behind it may be thousands.
		first := diags.Errs()[0].(*hcl.Diagnostic)
		if first.Subject == nil {
			first.Subject = start.Ptr()
		}
		return empty, hcl.Diagnostics{first}
	}
	n, more := jsonNode(expr)
	diags = append(append(lenient, diags...), more...)
	if n.obj == nil {
		return empty, append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Invalid JSON", Detail: "The file must hold one JSON object.", Subject: start.Ptr(),
		})
	}
	return n.obj, diags
}

func jsonNode(e hcl.Expression) (*node, hcl.Diagnostics) {
	out := &node{rng: e.Range(), start: e.StartRange(), text: e.StartRange()}
	if pairs, d := hcl.ExprMap(e); !d.HasErrors() {
		b, diags := jsonBody(pairs, e.Range())
		out.obj = b
		return out, diags
	}
	if elems, d := hcl.ExprList(e); !d.HasErrors() {
		out.list = true
		var diags hcl.Diagnostics
		for _, x := range elems {
			n, more := jsonNode(x)
			out.elems, diags = append(out.elems, n), append(diags, more...)
		}
		return out, diags
	}
	v, diags := e.Value(nil)
	if diags.HasErrors() {
		v = cty.NullVal(cty.DynamicPseudoType)
	}
	out.scalar = v
	return out, diags
}

func jsonBody(pairs []hcl.KeyValuePair, rng hcl.Range) (*body, hcl.Diagnostics) {
	end := rng // its closing brace
	if end.Start = end.End; end.Start.Byte > 0 {
		end.Start.Byte, end.Start.Column = end.End.Byte-1, end.End.Column-1
	}
	b := &body{end: end, json: true}
	var diags hcl.Diagnostics
	for _, p := range pairs {
		k, more := p.Key.Value(nil)
		diags = append(diags, more...)
		if k.IsNull() || k.Type() != cty.String {
			continue
		}
		name := k.AsString()
		if name == "//" {
			continue // HCL's convention for a comment in JSON
		}
		n, more := jsonNode(p.Value)
		diags = append(diags, more...)
		b.items = append(b.items, &item{
			name: name, raw: fmt.Sprintf("%q", name), nameRange: p.Key.Range(), assign: true, val: n,
		})
	}
	return b, diags
}

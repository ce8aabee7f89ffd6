package config

import (
	"testing"

	"github.com/hashicorp/hcl/v2"
)

// TestBodyContract checks what HCL's own tools expect of a Body and the
// configuration's reader does not use.
func TestBodyContract(t *testing.T) {
	f, _, diags := parse(input{"x.hcl", []byte("a = 1\nb = [\"x\", { c = true }]\nd \"l\" { e = 2 }\nf = 3\n")}, false)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	schema := &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "a", Required: true}, {Name: "b"}, {Name: "missing", Required: true}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "d", LabelNames: []string{"label"}}},
	}
	c, diags := f.Body.Content(schema)
	if len(diags) != 2 || diags[0].Summary != "Missing required argument" || diags[1].Summary != "Unsupported argument" {
		t.Errorf("got %v", diags)
	}
	if len(c.Blocks) != 1 || c.Blocks[0].Labels[0] != "l" || c.Blocks[0].DefRange.String() != "x.hcl:3,1-6" {
		t.Errorf("got %v", c.Blocks)
	}
	v, _ := c.Attributes["b"].Expr.Value(nil)
	if got := v.GoString(); got != `cty.TupleVal([]cty.Value{cty.StringVal("x"), cty.ObjectVal(map[string]cty.Value{"c":cty.True})})` {
		t.Errorf("got %s", got)
	}
	if len(c.Attributes["b"].Expr.Variables()) != 0 || f.Body.MissingItemRange().Start.Line != 4 {
		t.Errorf("got %v", f.Body.MissingItemRange())
	}
}

package config

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// duplicates reports attributes set twice in one object. HCL1's own check
// (since Vault 1.21) compares names as they are written; the same name in
// another spelling passes there, and so it is only a warning.
func duplicates(b *body, allow bool) hcl.Diagnostics {
	var diags hcl.Diagnostics
	seen := map[string]*item{}
	for _, it := range b.items {
		for _, n := range append([]*node{it.val}, it.val.elems...) {
			if n.obj != nil {
				diags = append(diags, duplicates(n.obj, allow)...)
			}
		}
		if !it.assign {
			continue
		}
		prev := seen[strings.ToLower(it.name)]
		if seen[strings.ToLower(it.name)] = it; prev == nil {
			continue
		}
		sev := hcl.DiagError
		if allow || b.json || prev.raw != it.raw {
			sev = hcl.DiagWarning
		}
		if bodies, ok := it.val.bodies(); b.json && ok && len(bodies) > 0 {
			continue // JSON's way to repeat a block
		}
		diags = append(diags, duplicate(sev, prev, it))
	}
	return diags
}

func duplicate(sev hcl.DiagnosticSeverity, prev, it *item) *hcl.Diagnostic {
	detail := fmt.Sprintf("%q was already set on line %d, and is set again on line %d.",
		it.name, prev.nameRange.Start.Line, it.nameRange.Start.Line)
	switch {
	case sev == hcl.DiagWarning:
		detail += " The last one counts."
	case it.val.obj != nil:
		detail += fmt.Sprintf(" Blocks may be repeated if they are written without \"=\": %s { ... }.", it.name)
	default:
		detail += " Remove one of them."
	}
	return &hcl.Diagnostic{
		Severity: sev, Summary: "Duplicate argument", Detail: detail, Subject: it.nameRange.Ptr(),
	}
}

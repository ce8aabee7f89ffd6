package config

import (
	"fmt"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// decoder collects what is wrong while blocks are read.
type decoder struct {
	strict  bool
	noLogin bool // auto_auth may be missing
	getenv  func(string) string

	commandLine []string // the child, in place of exec.command; empty = none
	diags       hcl.Diagnostics
	risks       []risk // of the block that is read; see unsafe.go
}

// scope is one block, read by its section's table.
type scope struct {
	def    hcl.Range // the block's header
	labels []string
	label  hcl.Range // of the first label
	vals   map[string]any
	attrs  map[string]*hcl.Attribute
	blocks map[string][]*scope
	sec    *Section
	rest   []hcl.Body // what the section does not name
}

// get returns the value of a key, or def if it is not set or was not valid.
func get[T any](s *scope, name string, def T) T {
	if s != nil {
		if v, ok := s.vals[name].(T); ok {
			return v
		}
	}
	return def
}

// at is where a key's value stands, or the block's header.
func (s *scope) at(name string) hcl.Range {
	if a := s.attrs[name]; a != nil {
		return a.Expr.StartRange()
	}
	return s.def
}

// last is the last block of a name, or nil.
func (s *scope) last(name string) *scope {
	if s == nil || len(s.blocks[name]) == 0 {
		return nil
	}
	return s.blocks[name][len(s.blocks[name])-1]
}

func (d *decoder) add(sev hcl.DiagnosticSeverity, at hcl.Range, summary, detail string, args ...any) {
	d.diags = append(d.diags, &hcl.Diagnostic{
		Severity: sev, Summary: summary, Detail: fmt.Sprintf(detail, args...), Subject: &at,
	})
}

func (d *decoder) errorf(at hcl.Range, summary, detail string, args ...any) {
	d.add(hcl.DiagError, at, summary, detail, args...)
}

func (d *decoder) warnf(at hcl.Range, summary, detail string, args ...any) {
	d.add(hcl.DiagWarning, at, summary, detail, args...)
}

// read converts everything in b by the table of sec and reports what does not
// belong there.
func (d *decoder) read(b hcl.Body, sec *Section, def hcl.Range) *scope {
	s := &scope{def: def, sec: sec, vals: map[string]any{}, attrs: map[string]*hcl.Attribute{}, blocks: map[string][]*scope{}}
	content, rest, diags := b.PartialContent(sec.schema())
	d.diags = append(d.diags, diags...)
	for _, name := range sortedKeys(content.Attributes) {
		d.attribute(s, content.Attributes[name], *sec.key(name))
	}
	for _, blk := range content.Blocks {
		d.block(s, blk, sec.key(strings.ToLower(blk.Type)))
	}
	for i := range sec.Keys {
		if k := &sec.Keys[i]; k.Section != nil && k.Support == Supported {
			d.count(s, k)
		}
	}
	if s.rest = append(s.rest, rest); !sec.Map {
		d.unknownIn(s)
	}
	return s
}

func (d *decoder) attribute(s *scope, a *hcl.Attribute, k Key) {
	if k.Support != Supported {
		v, _ := a.Expr.Value(nil)
		d.unsupported(&k, a.NameRange, isOff(v))
	}
	if k.Alt != "" {
		k.Kind = k.Alt
	}
	// What has no effect must still be valid.
	if v, ok := d.convert(&k, a.Expr); ok && k.Support == Supported {
		s.vals[k.Name] = v
	}
	s.attrs[k.Name] = a
}

func (d *decoder) block(s *scope, blk *hcl.Block, k *Key) {
	if k.Support != Supported {
		attrs, _ := blk.Body.JustAttributes()
		d.unsupported(k, blk.DefRange, k.EmptyOK && len(attrs) == 0)
		return
	}
	in := d.read(blk.Body, k.Section, blk.DefRange)
	if in.labels = blk.Labels; len(blk.Labels) > 0 {
		in.label = blk.LabelRanges[0]
		if k.Section.Label == "" {
			d.warnf(in.label, "Unexpected label", "A %q block takes no label; it is ignored.", k.Name)
		}
	}
	s.blocks[k.Name] = append(s.blocks[k.Name], in)
}

// count reports repeated blocks, and melts those of a map into one.
func (d *decoder) count(s *scope, k *Key) {
	list := s.blocks[k.Name]
	if len(list) < 2 {
		return
	}
	switch {
	case k.Section.Map:
		for _, m := range list[1:] {
			list[0].rest = append(list[0].rest, m.rest...)
			for name, a := range m.attrs {
				list[0].attrs[name], list[0].vals[name] = a, m.vals[name]
			}
		}
		s.blocks[k.Name] = list[:1]
	case k.Section.LastOne:
		d.warnf(list[0].def, "Repeated block", "Of several %q blocks only the last counts.", k.Name)
	case k.Section.Max == 1:
		for _, x := range list[1:] {
			d.errorf(x.def, "Repeated block", "Only one %q block is allowed here; the first is on line %d.", k.Name, list[0].def.Start.Line)
		}
	}
}

// unsupported reports a key that Vault Agent has and this version has not,
// unless it is set to what it would be without it.
func (d *decoder) unsupported(k *Key, at hcl.Range, off bool) {
	switch {
	case k.Support == Silent || off && k.Support == Missing:
	case k.Support == Refused:
		d.errorf(at, "Not allowed here", "%q is not allowed in this block. %s", k.Name, k.Doc)
	case k.Support == NoEffect:
		d.warnf(at, "No effect", "%q has no effect. %s", k.Name, k.Doc)
	default:
		d.errorf(at, "Not supported in this version", "%q is a setting of Vault Agent that this version does not have. %s", k.Name, k.Doc)
	}
}

// unknownIn reports what the section does not name: Vault Agent refuses such
// keys in some blocks and ignores them in the others. The keys of a map depend
// on the type of the block around it, so that block's decoder asks.
func (d *decoder) unknownIn(s *scope) {
	if s == nil {
		return
	}
	for _, rest := range s.rest {
		d.unknown(rest, s.sec)
	}
}

func (d *decoder) unknown(rest hcl.Body, sec *Section) {
	attrs, _ := rest.JustAttributes()
	for _, name := range sortedKeys(attrs) {
		hint := didYouMean(name, sec.names())
		if sec.Strict || d.strict {
			d.errorf(attrs[name].NameRange, "Unknown key", "%q is not a key of %s.%s", name, sec.title(), hint)
		} else {
			d.warnf(attrs[name].NameRange, "Unknown key", "%q is not a key of %s and is ignored.%s", name, sec.title(), hint)
		}
	}
}

func (s *Section) title() string {
	if s.Name == "configuration" {
		return "the configuration"
	}
	if s.Title != "" {
		return s.Title
	}
	return fmt.Sprintf("%q", s.Name)
}

func sortedKeys(m hcl.Attributes) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Slice(out, func(i, j int) bool {
		return m[out[i]].NameRange.Start.Byte < m[out[j]].NameRange.Start.Byte
	})
	return out
}

// isOff holds for the values that mean the same as leaving a key out.
func isOff(v cty.Value) bool {
	if v.IsNull() {
		return true
	}
	switch t := v.Type(); {
	case t == cty.Bool:
		return v.False()
	case t == cty.Number:
		return v.AsBigFloat().Sign() == 0
	case t == cty.String:
		s := v.AsString()
		return s == "" || s == "0" || s == "0s"
	case t.IsTupleType():
		return v.LengthInt() == 0
	}
	return false
}

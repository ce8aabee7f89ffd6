package config

import "github.com/hashicorp/hcl/v2"

// Kind says what values a key takes.
type Kind string

// The kinds of keys.
const (
	String       Kind = "string"            // a number is taken as its text
	QuotedString Kind = "quoted string"     // a number is an error
	Bool         Kind = "true or false"     // nothing else
	WeakBool     Kind = "boolean"           // also 0, 1, "true", "false"
	Int          Kind = "whole number"      // a number in quotes too
	StrictInt    Kind = "plain number"      // a number in quotes is an error
	Float        Kind = "number"            // 0.9
	Duration     Kind = "duration"          // 300, "300", "5m", "2d"
	GoDuration   Kind = "duration in units" // "5m"
	Perms        Kind = "permissions"       // "0640" or 0640
	Mode         Kind = "octal number"      // 0640
	Command      Kind = "command"           // list of strings, or one string
	SignalName   Kind = "signal name"       // SIGHUP
	Any          Kind = "any value"         // only keys without a function have it
	Block        Kind = "block"             // name { ... }
)

// Support says how far this version goes with a key.
type Support int

// The degrees of support.
const (
	Supported Support = iota
	Missing           // Vault Agent has it, this version not: an error, unless it is set to "off"
	NoEffect          // accepted, does nothing, as in Vault Agent: a warning
	Silent            // accepted, does nothing, and nobody needs to know
)

// Key is one row of the schema: one attribute or block.
type Key struct {
	Name    string
	Kind    Kind
	Support Support
	Default string   // as written in a file; "" = none
	Enum    []string // the allowed values, if they are a fixed set
	Doc     string   // one sentence; for Missing and NoEffect: what to do instead
	EmptyOK bool     // for a Missing block: an empty one is harmless
	Own     bool     // ours, not Vault Agent's
	Section *Section // what is inside a block
}

// Section is what may stand inside one kind of block.
type Section struct {
	Name    string
	Label   string // what a label means; "" = labels are ignored
	Strict  bool   // unknown keys are an error, as in Vault Agent
	Map     bool   // a map: repeated blocks are merged
	Max     int    // blocks allowed in one place; 0 = any number
	LastOne bool   // of several blocks the last counts, as in Vault Agent
	Keys    []Key
}

func (s *Section) key(name string) *Key {
	for i := range s.Keys {
		if s.Keys[i].Name == name {
			return &s.Keys[i]
		}
	}
	return nil
}

// names are the keys worth proposing for a misspelt one.
func (s *Section) names() []string {
	var out []string
	for _, k := range s.Keys {
		if k.Support == Supported {
			out = append(out, k.Name)
		}
	}
	return out
}

// schema is the section in HCL's words. A key that this version lacks may be
// written as attribute or block, and so may a block by mistake.
func (s *Section) schema() *hcl.BodySchema {
	out := &hcl.BodySchema{}
	for _, k := range s.Keys {
		attr, block := k.Kind != Block, k.Kind == Block
		if k.Support != Supported {
			attr, block = true, true
		}
		if attr {
			out.Attributes = append(out.Attributes, hcl.AttributeSchema{Name: k.Name})
		}
		if block {
			h := hcl.BlockHeaderSchema{Type: k.Name}
			if k.Section != nil && k.Section.Label != "" {
				h.LabelNames = []string{k.Section.Label}
			}
			out.Blocks = append(out.Blocks, h)
		}
	}
	return out
}

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
	Strings      Kind = "list of strings"   // ["a", "b"]
	Words        Kind = "list"              // ["a", "b"], or "a,b"
	Size         Kind = "number of bytes"   // 1048576
	WaitString   Kind = "min:max"           // "2s:10s", or "2s"
	TokenUse     Kind = "boolean or force"  // also "force"
	SignalName   Kind = "signal name"       // SIGHUP
	ShellCommand Kind = "command line"      // list of strings, or one string that a shell runs
	DurationOff  Kind = "duration or off"   // as duration; 0 is off, too
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
	Refused           // Vault Agent refuses it here too: an error
)

// Key is one row of the schema: one attribute or block.
type Key struct {
	Name    string
	Kind    Kind
	Support Support
	Default string   // as written in a file; "" = none
	Enum    []string // the allowed values, if they are a fixed set
	Exact   bool     // letters of Enum count as they are written
	Words   []string // the allowed elements of a list
	Doc     string   // one sentence; for Missing and NoEffect: what to do instead
	EmptyOK bool     // for a Missing block: an empty one is harmless
	Own     bool     // ours, not Vault Agent's
	Secret  bool     // its value is masked in every source line that is shown
	Section *Section // what is inside a block
	Alt     Kind     // a block that may also be written as an attribute of this kind

	NegUnset bool // a negative duration counts as not set, as in Vault Agent
}

// Section is what may stand inside one kind of block.
type Section struct {
	Name    string
	Title   string // for people; "" = the name
	Label   string // what a label means; "" = labels are ignored
	Strict  bool   // unknown keys are an error, as in Vault Agent
	Map     bool   // a map: repeated blocks are merged
	Max     int    // blocks allowed in one place; 0 = any number
	LastOne bool   // of several blocks the last counts, as in Vault Agent
	Own     bool   // ours, not Vault Agent's
	Keys    []Key

	// Variants are the tables of a map whose keys depend on the type of the
	// block around it, which is the variant's Name.
	Variants []*Section
}

func (s *Section) variant(name string) *Section {
	for _, v := range s.Variants {
		if v.Name == name {
			return v
		}
	}
	return nil
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
		attr, block := k.Kind != Block || k.Alt != "", k.Kind == Block
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

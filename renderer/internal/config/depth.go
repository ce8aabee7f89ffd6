package config

import (
	"fmt"

	"github.com/hashicorp/hcl/hcl/scanner"
	"github.com/hashicorp/hcl/hcl/token"
	"github.com/hashicorp/hcl/v2"
)

// maxDepth is how deep blocks and lists may be nested; real files need six. The
// parsers call themselves for every level, and a process whose stack is used up
// dies without a word.
const maxDepth = 100

func tooDeep(name string, src []byte, at int) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Nested too deeply",
		Detail:  fmt.Sprintf("Blocks and lists may stand inside each other %d times; here it is more.", maxDepth),
		Subject: byteAt(name, src, at),
	}
}

// tooDeepJSON is the offset of the first bracket that is nested too deeply, or -1.
func tooDeepJSON(src []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return i
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return -1
}

// tooDeepHCL is the same for HCL1, whose own scanner knows comments and heredocs.
func tooDeepHCL(src []byte) (at int) {
	// Where the scanner panics, the parser does too, before it is any deeper.
	defer func() {
		if recover() != nil {
			at = -1
		}
	}()
	s := scanner.New(src)
	s.Error = func(token.Pos, string) {}
	for depth := 0; ; {
		t := s.Scan()
		switch t.Type {
		case token.EOF:
			return -1
		case token.LBRACE, token.LBRACK:
			if depth++; depth > maxDepth {
				return min(t.Pos.Offset, max(len(src)-1, 0))
			}
		case token.RBRACE, token.RBRACK:
			depth--
		}
	}
}

package config

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const (
	readme         = "../../../README.md"
	referenceBegin = "<!-- begin reference: written by go test ./renderer/internal/config -run Reference -update -->\n"
	referenceEnd   = "<!-- end reference -->"
)

// TestReference keeps README's reference the same as the table that drives the
// reading of configurations.
func TestReference(t *testing.T) {
	raw, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(raw), referenceBegin)
	have, after, ok2 := strings.Cut(rest, referenceEnd)
	if !ok1 || !ok2 {
		t.Fatal("README.md has no place for the reference")
	}
	var b strings.Builder
	reference(&b, "Top level", Schema())
	if *update {
		if err := os.WriteFile(readme, []byte(before+referenceBegin+b.String()+referenceEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have != b.String() {
		t.Error("README.md's reference is not that of the code: run this test with -update")
	}
}

func reference(b *strings.Builder, title string, s *Section) {
	fmt.Fprintf(b, "\n**%s**\n\n| key | value | default | meaning |\n|---|---|---|---|\n", title)
	var blocks []Key
	for _, k := range s.Keys {
		if k.Support != Supported {
			continue
		}
		mark, def := "", k.Default
		if k.Own {
			mark = " *"
		}
		if def != "" {
			def = "`" + def + "`"
		}
		kind := string(k.Kind)
		if len(k.Enum) > 0 {
			kind = strings.Join(k.Enum, ", ")
		}
		fmt.Fprintf(b, "| `%s`%s | %s | %s | %s |\n", k.Name, mark, kind, def, k.Doc)
		if k.Kind == Block && k.Section != nil && k.Name != "sinks" {
			blocks = append(blocks, k)
		}
	}
	for _, k := range blocks {
		name := k.Name
		if title != "Top level" {
			name = title + "." + name
		}
		if len(k.Section.Variants) == 0 {
			reference(b, name, k.Section)
		}
		for _, v := range k.Section.Variants {
			mark := ""
			if v.Own {
				mark = " *"
			}
			reference(b, name+" of "+v.Name+mark, v)
		}
	}
	if title == "Top level" {
		b.WriteString("\n")
	}
}

package report

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

func TestAt(t *testing.T) {
	src := []byte("first\n{{ oops }}\nlast")
	for _, c := range []struct {
		name      string
		line, col int
		want      string
	}{
		{"line", 2, 0, "Error: Bad template\n\n  on a.tmpl line 2:\n   2: {{ oops }}\n\nno such function\n\n"},
		{"column", 2, 4, "Error: Bad template\n\n  on a.tmpl line 2:\n   2: {{ oops }}\n\nColumn 4: no such function\n\n"},
		{"last line", 3, 5, "Error: Bad template\n\n  on a.tmpl line 3:\n   3: last\n\nColumn 5: no such function\n\n"},
		{"beyond the line", 1, 99, "Error: Bad template\n\n  on a.tmpl line 1:\n   1: first\n\nColumn 99: no such function\n\n"},
		{"beyond the file", 9, 1, "Error: Bad template\n\n  on a.tmpl line 3:\n   3: last\n\nColumn 1: no such function\n\n"},
		{"no line", 0, 0, "Error: Bad template\n\n  on a.tmpl line 1:\n   1: first\n\nno such function\n\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := At("a.tmpl", src, c.line, c.col, "Bad template", "no such function")
			var b strings.Builder
			if err := Diagnostics(&b, map[string]*hcl.File{"a.tmpl": File(src)}, hcl.Diagnostics{d}); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

func TestStyle(t *testing.T) {
	diags := hcl.Diagnostics{{Severity: hcl.DiagWarning, Summary: "S", Detail: strings.Repeat("word ", 30)}}
	var plain, colour strings.Builder
	_ = Diagnostics(&plain, nil, diags)
	_ = Style{Color: true}.Diagnostics(&colour, nil, diags)
	if strings.Contains(plain.String(), "\x1b") || !strings.Contains(colour.String(), "\x1b[33mWarning") {
		t.Errorf("plain %q, colour %q", plain.String(), colour.String())
	}
	for line := range strings.Lines(plain.String()) {
		if len(line) > 79 {
			t.Errorf("too wide: %q", line)
		}
	}
}

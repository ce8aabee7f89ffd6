package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
)

func text(t *testing.T, files map[string]*hcl.File, diags hcl.Diagnostics) string {
	t.Helper()
	var b strings.Builder
	if err := hcl.NewDiagnosticTextWriter(&b, files, 78, false).WriteDiagnostics(diags); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// others leaves out the warnings of unsafe.go, which tests of their own look at.
func others(diags hcl.Diagnostics) hcl.Diagnostics {
	known := map[string]bool{}
	for k := noPerms; k <= secretInFile; k++ {
		summary, _ := k.warning(1)
		known[summary] = true
	}
	var out hcl.Diagnostics
	for _, d := range diags {
		if !known[d.Summary] {
			out = append(out, d)
		}
	}
	return out
}

var update = flag.Bool("update", false, "write the golden files")

// TestBad compares everything that is said about each wrong file; what is merely
// unsafe counts in the files unsafe*.hcl only.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.hcl")
	if err != nil || len(files) < 60 {
		t.Fatal("no files", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".hcl"), func(t *testing.T) {
			c, diags := Load([]string{f})
			if !strings.HasPrefix(filepath.Base(f), "unsafe") {
				diags = others(diags)
			}
			if len(diags) == 0 {
				t.Fatal("no diagnostics")
			}
			for _, d := range diags {
				if d.Subject == nil || d.Subject.Start.Line < 1 {
					t.Errorf("no position: %s", d)
				}
			}
			got, golden := text(t, c.Files, diags), strings.TrimSuffix(f, ".hcl")+".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Error(d)
			}
		})
	}
}

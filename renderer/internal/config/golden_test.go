package config

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
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
	var all []danger
	for k := noPerms; k <= secretInFile; k++ {
		all = append(all, k)
	}
	return diagsBut(diags, all...)
}

// diagsBut leaves out the warnings of some dangers.
func diagsBut(diags hcl.Diagnostics, dangers ...danger) hcl.Diagnostics {
	known := map[string]bool{}
	for _, k := range dangers {
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
// unsafe counts in unsafe* only. A directory holds files that are wrong together.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*")
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, ".golden") })
	if len(files) < 60 {
		t.Fatal(len(files), "files")
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".hcl"), func(t *testing.T) {
			c, diags := LoadWith([]string{f}, Options{})
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
			if strings.Contains(got, "canary-") {
				t.Error("a secret is shown")
			}
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

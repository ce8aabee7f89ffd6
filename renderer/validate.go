package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/hashicorp/hcl/v2"

	"vault-renderer/renderer/internal/agent"
	"vault-renderer/renderer/internal/report"
)

const validateUsage = `Usage: vault-renderer validate -config=FILE [-config=FILE ...] [options]

Says everything that is wrong with a configuration and can be known without
Vault: syntax, keys and values, templates and their functions, destinations,
owners, certificates. Nothing is changed and no server is asked.

    $ vault-renderer validate -config=agent.hcl
    $ vault-renderer validate -strict -json -config=/etc/vault-agent.d

Exit codes: 0 usable (there may be warnings), 2 not usable, 1 wrong options.

`

// invalid is validate's exit code for a configuration that would not run.
const invalid = 2

func runValidate(args []string, stdout, stderr io.Writer) int {
	f := &agentFlags{}
	set := f.options("vault-renderer validate")
	asJSON := set.Bool("json", false, "write the diagnostics to standard output as JSON")
	groups := []group{{"Options (those of the agent command may stay)", []string{"config", "strict", "json"}}}
	if err := f.begin(set, args, stdout, validateUsage, groups); err != nil {
		return refused(stderr, err)
	}
	cfg, diags := f.load()
	if cfg != nil {
		diags = together(diags, agent.Validate(cfg))
	}
	var err error
	if *asJSON {
		err = printJSON(stdout, diags)
	} else if printDiagnostics(stderr, cfg, diags); !diags.HasErrors() {
		_, err = fmt.Fprintf(stdout, "The configuration is usable%s.\n", warned(diags))
	}
	switch {
	case err != nil:
		report.Error(stderr, err)
		return 1
	case diags.HasErrors():
		return invalid
	}
	return 0
}

func warned(diags hcl.Diagnostics) string {
	switch n := len(diags); n {
	case 0:
		return ""
	case 1:
		return "; there is 1 warning"
	default:
		return fmt.Sprintf("; there are %d warnings", n)
	}
}

// verdict is what validate -json prints.
type verdict struct {
	Valid       bool         `json:"valid"`
	Errors      int          `json:"error_count"`
	Warnings    int          `json:"warning_count"`
	Diagnostics []diagnostic `json:"diagnostics"`
}

type diagnostic struct {
	Severity string `json:"severity"` // error, warning
	Summary  string `json:"summary"`
	Detail   string `json:"detail"`
	Range    *place `json:"range,omitempty"`
}

// place is where a diagnostic points: lines and columns count from 1, bytes
// from 0.
type place struct {
	Filename string `json:"filename"`
	Start    pos    `json:"start"`
	End      pos    `json:"end"`
}

type pos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

func printJSON(w io.Writer, diags hcl.Diagnostics) error {
	v := verdict{Valid: !diags.HasErrors(), Diagnostics: []diagnostic{}}
	for _, d := range diags {
		out := diagnostic{Severity: "warning", Summary: d.Summary, Detail: d.Detail}
		if d.Severity == hcl.DiagError {
			out.Severity = "error"
			v.Errors++
		} else {
			v.Warnings++
		}
		if r := d.Subject; r != nil {
			out.Range = &place{
				Filename: r.Filename,
				Start:    pos{r.Start.Line, r.Start.Column, r.Start.Byte},
				End:      pos{r.End.Line, r.End.Column, r.End.Byte},
			}
		}
		v.Diagnostics = append(v.Diagnostics, out)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

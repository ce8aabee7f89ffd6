package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/hcl/v2"

	"vault-renderer/renderer/internal/agent"
	"vault-renderer/renderer/internal/report"
)

const validateUsage = `Usage: vault-renderer validate -config=FILE [-config=FILE ...] [options] [-- COMMAND ...]

Says everything that is wrong with a configuration and can be known without
Vault: syntax, keys and values, templates and their functions, destinations,
owners, certificates. Nothing is changed and no server is asked. A COMMAND that
the agent would supervise may stand behind --; it is not run.

    $ vault-renderer validate -config=agent.hcl
    $ vault-renderer validate -strict -json -config=/etc/vault-agent.d
    $ vault-renderer validate -config=agent.hcl -- /usr/bin/app --verbose
    $ vault-renderer validate -online -config=agent.hcl

With -online it then logs in, asks for the secrets that the templates name for
certain, and renews them and the token for as long as Vault allows. It says what
ends each of them first (its lease, the lease's maximum, the token, the token's
maximum), how long old and new credentials will overlap, and which lines are
missing in the token's policies. At the end, also when it is interrupted, the
token is revoked and with it what was leased. The token of a token_file is not
its own: that one is neither prolonged nor revoked, only the leases end.

    A login is used up: of a SecretID that is good for some logins, one. A
    SecretID that is wrapped is good for one reader alone, and the agent would
    find it gone: then -online wants -use-secret-id as well.

Exit codes: 0 usable (there may be warnings), 2 not usable, 1 wrong options, or
Vault could not be asked.

`

// invalid is validate's exit code for a configuration that would not run.
const invalid = 2

// validateFlags are the options of the validate command.
type validateFlags struct {
	agentFlags
	asJSON, online, useSecretID bool
	timeout                     time.Duration
}

func runValidate(args []string, stdout, stderr io.Writer) int {
	f := &validateFlags{}
	set := f.options("vault-renderer validate")
	set.BoolVar(&f.asJSON, "json", false, "write the diagnostics to standard output as JSON")
	set.BoolVar(&f.online, "online", false, "log in, and measure what Vault grants")
	set.BoolVar(&f.useSecretID, "use-secret-id", false, "with -online, use up a wrapped SecretID: the agent needs a new one then")
	set.DurationVar(&f.timeout, "timeout", time.Minute, "with -online, give up asking Vault after this `time`")
	groups := []group{{"Options (those of the agent command may stay)", []string{"config", "strict", "json", "online", "use-secret-id", "timeout"}}}
	if err := f.begin(set, args, stdout, validateUsage, groups); err != nil {
		return refused(stderr, err)
	}
	return f.validate(stdout, stderr)
}

func (f *validateFlags) validate(stdout, stderr io.Writer) int {
	cfg, diags := f.load()
	if cfg != nil {
		diags = together(diags, agent.Validate(cfg))
	}
	var grants *grants
	var asked error
	if f.online && !diags.HasErrors() {
		grants, asked = f.ask(cfg, stderr)
	}
	var err error
	if f.asJSON {
		err = printJSON(stdout, diags, grants)
	} else if printDiagnostics(stderr, cfg, diags); !diags.HasErrors() {
		_, err = fmt.Fprintf(stdout, "The configuration is usable%s.\n", warned(diags))
		if err == nil && grants != nil {
			err = grants.print(stdout)
		}
	}
	if err = errors.Join(err, asked); err != nil {
		report.Error(stderr, err)
		return 1
	}
	if grants != nil {
		report.Error(stderr, grants.err())
	}
	if diags.HasErrors() || grants != nil && grants.err() != nil {
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
	Online      *grants      `json:"online,omitempty"`
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

func printJSON(w io.Writer, diags hcl.Diagnostics, online *grants) error {
	v := verdict{Valid: !diags.HasErrors(), Diagnostics: []diagnostic{}, Online: online}
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
	return indented(w, v)
}

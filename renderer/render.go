package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"vault-renderer/renderer/internal/agent"
	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/fixture"
	"vault-renderer/renderer/internal/preview"
	"vault-renderer/renderer/internal/report"
)

const renderUsage = `Usage: vault-renderer render -config=FILE [-config=FILE ...] [options]

Renders the templates of a configuration from fixtures, a JSON file with made-up
secrets: without Vault, without logging in, and without writing to the
destinations, which need not be there. For tests of templates. An env_template
is rendered as well, under the name "env VARIABLE".

    $ vault-renderer render -config=agent.hcl -data=fixtures.json
    $ vault-renderer render -config=agent.hcl -data=fixtures.json -golden=testdata

What a template asks for and the fixtures have not is named with the key to add.

Exit codes: 0 rendered (and as expected), 1 differences or a failure, 2 the
configuration or a template is not usable.

`

// renderFlags are the options of the render command.
type renderFlags struct {
	agentFlags
	data, template, golden string
	diff, update           bool
}

func runRender(args []string, stdout, stderr io.Writer) int {
	f := &renderFlags{}
	set := f.options("vault-renderer render")
	set.StringVar(&f.data, "data", "", "`file` of fixtures; without it there are none")
	set.StringVar(&f.template, "template", "", "render this one alone: a `name`, a destination, or \"env VARIABLE\"")
	set.StringVar(&f.golden, "golden", "", "compare with the files below this `directory`, each under its template's name")
	set.BoolVar(&f.diff, "diff", false, "compare with the files at the destinations, and show what they hold; variables have none")
	set.BoolVar(&f.update, "update", false, "with -golden: write the files instead of comparing")
	groups := []group{{"Options", []string{"config", "data", "template", "golden", "update", "diff", "strict"}}}
	args, f.command = cutCommand(args) // the variables are rendered whoever gets them
	err := f.parse(set, args, stdout, renderUsage, groups)
	if err == nil {
		err = noMore(set, 0)
	}
	switch {
	case err != nil:
	case f.diff && f.golden != "":
		err = errors.New("-diff and -golden can't go together")
	case f.update && f.golden == "":
		err = report.WithHint(errors.New("-update needs -golden"), "say where the files are: -golden=DIRECTORY")
	}
	if err != nil {
		return refused(stderr, err)
	}
	return f.render(stdout, stderr)
}

func (f *renderFlags) render(stdout, stderr io.Writer) int {
	cfg, code, err := f.templates(f.template, stderr)
	if cfg == nil {
		report.Error(stderr, err)
		return code
	}
	data, err := readFixtures(f.data)
	if err != nil {
		report.Error(stderr, err)
		return 1
	}
	sheets, diags := agent.Sheets(cfg, agent.Surroundings{View: data, Env: data.Env, Plugin: data.Plugin, Debug: stderr})
	if diags.HasErrors() {
		printDiagnostics(stderr, cfg, diags)
		return invalid
	}
	outs, err := f.execute(sheets)
	if more := f.deliver(stdout, outs); more != nil {
		err = errors.Join(err, more)
	}
	if err != nil {
		report.Error(stderr, err)
		return 1
	}
	return 0
}

// templates reads the configuration for its templates alone, or for the one of
// that name. There is no configuration when it is not usable; what is wrong has
// been said then, or is the error.
func (f *agentFlags) templates(name string, stderr io.Writer) (*config.Config, int, error) {
	cfg, diags := config.LoadWith(f.config, config.Options{Strict: f.strict, NoLogin: true})
	if diags.HasErrors() {
		printDiagnostics(stderr, cfg, onlyErrors(diags))
		return nil, invalid, nil
	}
	err := choose(cfg, name)
	if err != nil {
		return nil, 1, err
	}
	return cfg, 0, nil
}

// choose leaves one template in the configuration; "" leaves all.
func choose(cfg *config.Config, name string) error {
	if name == "" {
		return nil
	}
	var names []string
	for _, t := range cfg.Templates {
		if t.Name == name || filepath.Clean(t.Destination) == filepath.Clean(name) {
			cfg.Templates, cfg.EnvTemplates = []config.Template{t}, nil
			return nil
		}
		names = append(names, t.Name)
	}
	for _, t := range cfg.EnvTemplates {
		if name == agent.NameOfVariable(t.Variable) {
			cfg.Templates, cfg.EnvTemplates = nil, []config.EnvTemplate{t}
			return nil
		}
		names = append(names, agent.NameOfVariable(t.Variable))
	}
	return report.WithHint(fmt.Errorf("there is no template %q", name), "the templates are "+strings.Join(names, ", "))
}

// onlyErrors leaves the warnings to the command validate.
func onlyErrors(diags hcl.Diagnostics) hcl.Diagnostics {
	return slices.DeleteFunc(slices.Clone(diags), func(d *hcl.Diagnostic) bool { return d.Severity != hcl.DiagError })
}

func readFixtures(path string) (*fixture.Data, error) {
	if path == "" {
		return fixture.Parse(nil)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the fixtures: %w", err)
	}
	data, err := fixture.Parse(raw)
	if err != nil {
		return nil, report.WithHint(fmt.Errorf("%s: %w", path, err), "docs/testing-templates.md explains the fixtures")
	}
	return data, nil
}

// output is one file or variable as it would be.
type output struct {
	name        string // of the golden file, and for people
	destination string // "" = it is a variable
	content     string
}

// execute renders all sheets. The error holds everything that is missing, not
// only the first.
func (f *renderFlags) execute(sheets []*agent.Sheet) (outs []output, err error) {
	var errs []error
	for _, s := range sheets {
		r, lacks, err := s.Execute()
		for _, l := range lacks {
			errs = append(errs, f.lack(s, l))
		}
		if err != nil {
			errs = append(errs, err)
		}
		if err != nil || len(lacks) > 0 {
			continue
		}
		outs = append(outs, output{s.Config.Name, s.Config.Destination, string(r.Content)})
		for _, o := range r.Side {
			outs = append(outs, output{o.File.Path, o.File.Path, string(o.Content)})
		}
	}
	return outs, errors.Join(errs...)
}

func (f *renderFlags) lack(s *agent.Sheet, l agent.Lack) error {
	to := f.data
	if to == "" {
		to = "a file for -data"
	}
	return fmt.Errorf("template %q: %s: there is no fixture for %s; add to %s: %s", s.Config.Name, l.Place, l.Request, to, fixture.Entry(l.Request))
}

// deliver prints the outputs, or compares them.
func (f *renderFlags) deliver(stdout io.Writer, outs []output) error {
	switch {
	case f.golden != "":
		return f.compareGolden(stdout, outs)
	case f.diff:
		var errs []error
		for _, o := range outs {
			if o.destination != "" {
				errs = append(errs, compare(stdout, o, o.destination, ""))
			}
		}
		return errors.Join(errs...)
	}
	for i, o := range outs {
		if len(outs) > 1 {
			if i > 0 {
				fmt.Fprintln(stdout)
			}
			fmt.Fprintf(stdout, "==> %s <==\n", o.name)
		}
		if _, err := io.WriteString(stdout, o.content); err != nil {
			return err
		}
		if len(outs) > 1 && !strings.HasSuffix(o.content, "\n") {
			fmt.Fprintln(stdout)
		}
	}
	return nil
}

func (f *renderFlags) compareGolden(stdout io.Writer, outs []output) error {
	var errs []error
	taken := map[string]bool{}
	for _, o := range outs {
		// A name may be a path from the root, or lead out of the directory.
		path := filepath.Join(f.golden, filepath.Clean("/"+o.name))
		if taken[path] {
			errs = append(errs, report.WithHint(fmt.Errorf("%s: two templates have this name", path), "give each template block a label of its own"))
			continue
		}
		taken[path] = true
		if f.update {
			errs = append(errs, writeGolden(stdout, path, o.content))
		} else {
			errs = append(errs, compare(stdout, o, path, "-update writes it"))
		}
	}
	return errors.Join(errs...)
}

func writeGolden(stdout io.Writer, path, content string) error {
	if old, there, err := agent.InPlace(path); err == nil && there && old == content {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "wrote %s\n", path)
	return nil
}

// compare prints how an output differs from a file.
func compare(stdout io.Writer, o output, path, hint string) error {
	old, there, err := agent.InPlace(path)
	switch {
	case err != nil:
		return err
	case !there:
		return report.WithHint(fmt.Errorf("template %q: %s is not there", o.name, path), hint)
	case old == o.content:
		return nil
	}
	fmt.Fprint(stdout, preview.Printable(preview.Unified(path, o.name+" (rendered)", old, o.content)))
	return fmt.Errorf("template %q: it renders to something else than %s", o.name, path)
}

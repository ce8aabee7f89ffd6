package agent

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/rollout"
	"vault-renderer/renderer/internal/tmpl"
	"vault-renderer/renderer/internal/vault"
)

// Surroundings are what templates see in place of Vault and of this host.
type Surroundings struct {
	View   tmpl.View
	Env    func(string) (string, bool)
	Plugin func(name string, args []string) (string, error)
	Debug  io.Writer // of spew_dump; nil = nowhere
}

// Sheet is a template made ready to be executed outside of a run: it asks no
// server and needs no destination.
type Sheet struct {
	Config   config.Template // of a variable: named as NameOfVariable has it, without a destination
	Variable string          // of an env_template; "" = it is a file's
	Text     string
	u        *unit
	s        Surroundings
	strict   bool
}

// NameOfVariable is how an env_template is called among templates.
func NameOfVariable(variable string) string { return "env " + variable }

// Sheets makes the templates of a configuration ready: those of files, then
// those of variables.
func Sheets(cfg *config.Config, s Surroundings) ([]*Sheet, hcl.Diagnostics) {
	a := &Agent{o: Options{Config: cfg}}
	var diags hcl.Diagnostics
	var out []*Sheet
	for _, t := range cfg.Templates {
		out = append(out, &Sheet{Config: t, s: s, strict: cfg.Strict})
	}
	for _, t := range cfg.EnvTemplates {
		sheet := &Sheet{Config: asTemplate(t), Variable: t.Variable, s: s, strict: cfg.Strict}
		sheet.Config.Name = NameOfVariable(t.Variable)
		out = append(out, sheet)
	}
	for _, sheet := range out {
		diags = diags.Extend(sheet.parse(a, cfg))
	}
	return out, diags
}

func (s *Sheet) parse(a *Agent, cfg *config.Config) hcl.Diagnostics {
	t := s.Config
	t.SandboxPath = "" // of this host; Execute looks at the names instead
	s.u = newUnit(t, nil)
	s.u.variable = s.Variable
	diags := a.parse(cfg, s.u, surroundings{env: s.s.Env, plugin: s.s.Plugin, debug: s.s.Debug})
	s.Text = s.u.text
	return diags
}

// Certain gives what the template asks for whatever the secrets hold.
func (s *Sheet) Certain() (out []vault.Request) {
	for _, c := range s.u.t.Calls() {
		if c.Certain {
			out = append(out, c.Request)
		}
	}
	return out
}

// Place is where a line of the template stands for its author.
func (s *Sheet) Place(line int) string { return s.u.place(&tmpl.Error{Line: line}) }

// Lack is something that a template asks for and that the View has not.
type Lack struct {
	Request vault.Request
	Place   string
}

// Rendered is what a Sheet gives: the template's own file or the value of the
// variable, and the files of writeToFile with what they would hold if they were
// not there before.
type Rendered struct {
	Content []byte
	Side    []rollout.Output
}

// Execute runs the template. With a Lack there is no content.
func (s *Sheet) Execute() (Rendered, []Lack, error) {
	res, err := s.u.t.Execute(sandboxed{s.s.View, s.Config.SandboxPath})
	if err != nil {
		return Rendered{}, nil, s.explain(err)
	}
	if lacks := s.lacks(res); len(lacks) > 0 {
		return Rendered{}, lacks, nil
	}
	err = s.u.judge(res.Content, s.strict)
	return Rendered{Content: res.Content, Side: collect(res.Writes)}, nil, err
}

// lacks finds where each missing thing is asked for, together with what the
// template asks for certain and has not come to.
func (s *Sheet) lacks(res tmpl.Result) (out []Lack) {
	for _, r := range res.Missing {
		_, err := s.u.t.Execute(accusing{s.s.View, r})
		line := 0
		if te := templateError(err); te != nil {
			line = te.Line
		}
		out = append(out, Lack{r, s.Place(line)})
	}
	if len(out) == 0 {
		return nil
	}
	for _, c := range s.u.t.Calls() {
		known := slices.ContainsFunc(out, func(l Lack) bool { return l.Request == c.Request })
		if _, there, err := s.s.View.Secret(c.Request); c.Certain && !known && !there && err == nil {
			out = append(out, Lack{c.Request, s.Place(c.Line)})
		}
	}
	return out
}

// explain names the place of an error as the configuration has it.
func (s *Sheet) explain(err error) error {
	te := templateError(err)
	if te == nil || te.Line == 0 {
		return err
	}
	return fmt.Errorf("template %q: %s: %s", s.Config.Name, s.u.place(te), te.Detail)
}

// accusing is a View that fails for one request, so that the error shows where
// it is made.
type accusing struct {
	tmpl.View
	r vault.Request
}

var errMissing = errors.New("it is missing")

func (a accusing) Secret(r vault.Request) (*vault.Secret, bool, error) {
	if r == a.r {
		return nil, false, errMissing
	}
	return a.View.Secret(r)
}

// sandboxed is a View that has no file outside of sandbox_path. It goes by the
// names: the directory need not be there.
type sandboxed struct {
	tmpl.View
	sandbox string
}

func (b sandboxed) Secret(r vault.Request) (*vault.Secret, bool, error) {
	if r.Method == vault.MethodFile && b.sandbox != "" {
		rel, err := filepath.Rel(b.sandbox, r.Path)
		if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
			return nil, false, fmt.Errorf("%s is outside of sandbox_path (%s)", r.Path, b.sandbox)
		}
	}
	return b.View.Secret(r)
}

// collect gives each side file once, with all that is written into it.
func collect(writes []tmpl.WriteFile) (out []rollout.Output) {
	for _, w := range writes {
		path := filepath.Clean(w.Path)
		i := slices.IndexFunc(out, func(o rollout.Output) bool { return o.File.Path == path })
		if i < 0 {
			i = len(out)
			out = append(out, rollout.Output{File: sideFile(path, w)})
		}
		if !w.Append {
			out[i].Content = nil
		}
		out[i].Content = append(out[i].Content, w.Content...)
	}
	return out
}

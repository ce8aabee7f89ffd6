// Package tmpl parses and executes templates: text/template with
// consul-template's functions, byte for byte as Vault Agent renders them. It is
// pure: what a template asks of Vault or of the disk comes from a View in
// memory, what is not there yet is named in the Result, and so are the side
// files that it wants written. It neither fetches nor writes nor waits, and it
// ends: output, time and recursion are bounded.
package tmpl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"text/template"
	"text/template/parse"
	"time"

	"vault-renderer/renderer/internal/vault"
)

// Spec is one template as the configuration gives it.
type Spec struct {
	Name              string // for people
	Text              string
	Left, Right       string // delimiters; "" = {{ and }}
	ErrorOnMissingKey bool
	Destination       string                      // the file that it makes: pkiCert looks there first
	Sandbox           string                      // the function file reads below this directory only; "" = anywhere
	Denylist          []string                    // functions that fail when called: names, where * stands for anything
	Env               func(string) (string, bool) // nil = no variable is set

	// Plugin runs a program and gives what it prints; nil = the function
	// plugin is refused. It runs in every execution.
	Plugin func(name string, args []string) (string, error)

	Debug io.Writer // where spew_dump and spew_printf print; nil = nowhere

	MaxOutput   int           // bytes; 64 MiB when 0
	MaxDuration time.Duration // of one execution; 30s when 0
	MaxDepth    int           // of templates calling each other; 10,000 when 0
}

// View is the secrets in memory. Secret never blocks; an error ends the
// execution and is shown at the place of the call.
type View interface {
	Secret(vault.Request) (*vault.Secret, bool, error)
}

// Result is what one execution gave.
type Result struct {
	Content []byte
	Used    []vault.Request // everything asked for, in order of the first call
	Missing []vault.Request // what the View did not have; Content is worthless then
	Writes  []WriteFile     // side files to write, in order; none while something is missing
}

// Template is a parsed template. Execute may not run twice at once.
type Template struct {
	spec    Spec
	t       *template.Template
	run     *execution // the execution under way
	calls   []Call
	changes bool // it calls functions that may change the values they are given

	// Kept from one execution to the next for speed; without values.
	buf   bytes.Buffer
	asked map[vault.Request]any
	asks  int
}

// Parse reads a template. Its errors are *Error.
func Parse(s Spec) (*Template, error) {
	s.limits()
	t := &Template{spec: s, asked: map[vault.Request]any{}}
	trees, err := trees(s)
	if err != nil {
		return nil, t.fail(err, nil)
	}
	var names []ident
	for _, tree := range trees {
		names = append(names, idents(tree.Root)...)
	}
	slices.SortFunc(names, func(a, b ident) int { return int(a.pos - b.pos) })
	for _, id := range names {
		t.changes = t.changes || changesItsArgument(id.name)
	}
	funcs, err := t.functions(names)
	if err != nil {
		return nil, err
	}
	t.calls = t.constantCalls(trees)
	t.guard(trees, funcs)
	if err := t.build(trees, funcs); err != nil {
		return nil, t.fail(err, nil)
	}
	return t, nil
}

// trees parses the text without asking whether its functions are there: what
// functions it names is to be found out, with the place of each.
func trees(s Spec) (map[string]*parse.Tree, error) {
	root := parse.New("")
	root.Mode = parse.SkipFuncCheck
	set := map[string]*parse.Tree{}
	if _, err := root.Parse(s.Text, s.Left, s.Right, set); err != nil {
		return nil, err
	}
	return set, nil
}

func (t *Template) build(trees map[string]*parse.Tree, funcs template.FuncMap) error {
	missing := "missingkey=zero"
	if t.spec.ErrorOnMissingKey {
		missing = "missingkey=error"
	}
	t.t = template.New("").Option(missing).Funcs(funcs)
	for name, tree := range trees {
		if _, err := t.t.AddParseTree(name, tree); err != nil {
			return err
		}
	}
	return nil
}

// Name is the template's name for people.
func (t *Template) Name() string { return t.spec.Name }

// Constant gives the reads that the template makes for certain, with arguments
// that stand in its text: they can be asked for before the first execution.
func (t *Template) Constant() []vault.Request {
	var out []vault.Request
	for _, c := range t.calls {
		if c.Certain && c.Request.Method == vault.MethodRead {
			out = append(out, c.Request)
		}
	}
	return out
}

// execution is the state of one Execute.
type execution struct {
	view     View
	deadline time.Time
	depth    int // of templates calling each other

	asked   map[vault.Request]any // what a request gave; nil = it is missing
	used    []vault.Request
	missing []vault.Request
	secrets []*vault.Secret
	outside []string // other values that may be secret

	scratch *Scratch
	writes  []WriteFile
	written int // bytes in them
}

// Execute runs the template on v. While something is Missing, errors of the
// execution are held back: they may be due to it.
func (t *Template) Execute(v View) (Result, error) {
	run := &execution{view: v, asked: t.asked, deadline: time.Now().Add(t.spec.MaxDuration)}
	run.used = make([]vault.Request, 0, t.asks)
	run.secrets = make([]*vault.Secret, 0, t.asks)
	t.run = run
	err := t.execute()
	t.run, t.asks = nil, len(run.used)
	defer func() { clear(t.asked); clear(t.buf.Bytes()) }()
	res := Result{Used: run.used, Missing: run.missing}
	if len(run.missing) > 0 {
		var ve *viewError
		if errors.As(err, &ve) {
			return res, t.fail(err, run)
		}
		return res, nil
	}
	if err != nil {
		return res, t.fail(err, run)
	}
	res.Content, res.Writes = bytes.Clone(t.buf.Bytes()), run.writes
	return res, nil
}

// execute leaves the output in the buffer. What is wrong with one template must
// not end the program.
func (t *Template) execute() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("the template engine failed")
			if e, ok := r.(runtime.Error); ok {
				err = fmt.Errorf("the template engine failed: %w", e)
			}
		}
	}()
	t.buf.Reset()
	return t.t.Execute(&limited{t: t, buf: &t.buf}, nil)
}

// once asks the View, and makes of the answer what the template sees: once in
// an execution, so that a template meets the same value each time.
func (x *execution) once(r vault.Request, see func(*vault.Secret) any) (any, error) {
	if v, asked := x.asked[r]; asked {
		return v, nil
	}
	x.used = append(x.used, r)
	s, ok, err := x.view.Secret(r)
	if err != nil {
		return nil, &viewError{err}
	}
	var v any
	if ok {
		x.secrets = append(x.secrets, s)
		v = see(s)
	} else {
		x.missing = append(x.missing, r)
	}
	x.asked[r] = v
	return v, nil
}

// Package tmpl parses and executes templates: text/template with
// consul-template's function names. It is pure: what a template asks of Vault
// comes from a View in memory, and what is not there yet is named in the
// Result. It neither fetches nor writes nor waits.
package tmpl

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"text/template"

	"vault-renderer/renderer/internal/vault"
)

// Spec is one template as the configuration gives it.
type Spec struct {
	Name              string // for people
	Text              string
	Left, Right       string // delimiters; "" = {{ and }}
	ErrorOnMissingKey bool
	Denylist          []string                    // functions that fail when called: names, or globs such as "base64*"
	Env               func(string) (string, bool) // nil = no variable is set
	MaxOutput         int                         // bytes; 64 MiB when 0
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
}

// Template is a parsed template. Execute may not run twice at once.
type Template struct {
	spec  Spec
	t     *template.Template
	run   *execution // the execution under way
	calls []Call
	buf   bytes.Buffer
}

// Error is a mistake in a template, with its place.
type Error struct {
	Template  string
	Line, Col int // 1-based; 0 = not known
	Detail    string
	Err       error // the cause, if a View or a function gave one
}

// Error implements error: `template "x": line 3: detail`.
func (e *Error) Error() string {
	at := ""
	if e.Line > 0 {
		at = fmt.Sprintf(": line %d", e.Line)
	}
	return fmt.Sprintf("template %q%s: %s", e.Template, at, e.Detail)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// parseName is the name under which text/template knows every template, so
// that its messages can be taken apart whatever the user calls his.
const parseName = "template"

var place = regexp.MustCompile(`^template: (?:template|[^:]*):(\d+)(?::(\d+))?: `)

// Parse reads a template. Its errors are *Error.
func Parse(s Spec) (*Template, error) {
	t := &Template{spec: s}
	missing := "missingkey=zero"
	if s.ErrorOnMissingKey {
		missing = "missingkey=error"
	}
	parsed, err := template.New(parseName).Option(missing).Delims(s.Left, s.Right).Funcs(t.functions()).Parse(s.Text)
	if err != nil {
		return nil, t.fail(err, nil)
	}
	t.t = parsed
	if !t.denied("secret") {
		t.calls = constantCalls(parsed)
	}
	return t, nil
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
	view    View
	used    []vault.Request
	missing []vault.Request
	seen    map[vault.Request]bool
	secrets []*vault.Secret
}

// Execute runs the template on v. While something is Missing, errors of the
// execution are held back: they may be due to it.
func (t *Template) Execute(v View) (Result, error) {
	run := &execution{view: v, seen: map[vault.Request]bool{}}
	t.run = run
	t.buf.Reset()
	limit := t.spec.MaxOutput
	if limit == 0 {
		limit = 64 << 20
	}
	err := t.t.Execute(&limited{buf: &t.buf, left: limit}, nil)
	t.run = nil
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
	res.Content = bytes.Clone(t.buf.Bytes())
	return res, nil
}

// ask is what `secret` and `secrets` do with a request.
func (x *execution) ask(r vault.Request) (*vault.Secret, error) {
	first := !x.seen[r]
	if first {
		x.seen[r] = true
		x.used = append(x.used, r)
	}
	s, ok, err := x.view.Secret(r)
	if err != nil {
		return nil, &viewError{err}
	}
	if !ok {
		if first {
			x.missing = append(x.missing, r)
		}
		return nil, nil
	}
	if first {
		x.secrets = append(x.secrets, s)
	}
	return s, nil
}

// viewError marks an error that came from the View.
type viewError struct{ err error }

func (e *viewError) Error() string { return e.err.Error() }
func (e *viewError) Unwrap() error { return e.err }

// fail makes an *Error of text/template's, without values of secrets.
func (t *Template) fail(err error, run *execution) error {
	out := &Error{Template: t.spec.Name}
	msg := err.Error()
	if m := place.FindStringSubmatch(msg); m != nil {
		out.Line, _ = strconv.Atoi(m[1])
		out.Col, _ = strconv.Atoi(m[2])
		if out.Col > 0 {
			out.Col++ // text/template counts from 0
		}
		msg = msg[len(m[0]):]
	}
	var ve *viewError
	if errors.As(err, &ve) {
		out.Detail, out.Err = ve.Error(), ve.err
		return out
	}
	msg = strings.TrimPrefix(msg, `executing "template" at `)
	if run != nil {
		msg = mask(msg, run.secrets)
	}
	out.Detail = msg
	return out
}

// mask takes the values of secrets out of a message. It is a second line of
// defence: our own functions leave them out by themselves.
func mask(msg string, secrets []*vault.Secret) string {
	for _, s := range secrets {
		walk(s.Data.Unwrap(), func(v string) {
			if len(v) >= 3 {
				msg = strings.ReplaceAll(msg, v, "[redacted]")
			}
		})
	}
	return msg
}

func walk(v any, f func(string)) {
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			walk(e, f)
		}
	case []any:
		for _, e := range v {
			walk(e, f)
		}
	case string:
		f(v)
	case fmt.Stringer: // json.Number
		f(v.String())
	}
}

// limited stops a template that never ends from eating the host.
type limited struct {
	buf  *bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.left {
		return 0, errors.New("the output is larger than allowed")
	}
	l.left -= len(p)
	return l.buf.Write(p)
}

package tmpl

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

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

// viewError marks an error that came from the View.
type viewError struct{ err error }

func (e *viewError) Error() string { return e.err.Error() }
func (e *viewError) Unwrap() error { return e.err }

// libraryError is an error of somebody else's code, whose words may quote what
// it was given, changed perhaps so that no mask finds it. They are shown only
// where the template has seen nothing that could be secret.
type libraryError struct {
	short string
	err   error
}

func (e *libraryError) Error() string { return e.short + ": " + e.err.Error() }
func (e *libraryError) Unwrap() error { return e.err }

// at takes the place off a message of text/template. The name under which it
// knows every template is empty, so that its messages can be taken apart
// whatever the user calls his.
func (e *Error) at(msg string) string {
	_, rest, _ := strings.Cut(msg, ": ") // template: :3:14: rest
	where, rest, found := strings.Cut(rest, ": ")
	line, col, both := strings.Cut(strings.TrimPrefix(where, ":"), ":")
	n, err := strconv.Atoi(line)
	if !found || err != nil {
		return msg
	}
	e.Line = n
	if n, err := strconv.Atoi(col); both && err == nil {
		e.Col = n + 1 // text/template counts from 0
	}
	return rest
}

// nestedError is what went wrong in a template that was executed by another.
// text/template puts the text of the cause into each level's own: with
// thousands of levels those would be gigabytes.
type nestedError struct{ err error }

func (e *nestedError) Error() string { return "it failed" }
func (e *nestedError) Unwrap() error { return e.err }

// nested gives the innermost error of a template's.
func nested(err error) error {
	var at template.ExecError
	for errors.As(err, &at) {
		err = at.Err
	}
	if at.Err == nil {
		return err
	}
	return &nestedError{at}
}

// fail makes an *Error of text/template's, without values of secrets. run is
// nil where there was none.
func (t *Template) fail(err error, run *execution) error {
	out := &Error{Template: t.spec.Name}
	name := ""
	for e := (template.ExecError{}); errors.As(err, &e); { // the innermost: where it went wrong
		name, err = e.Name, e.Err
	}
	msg := out.at(err.Error())
	var ve *viewError
	if errors.As(err, &ve) {
		out.Detail, out.Err = ve.Error(), ve.err
		return out
	}
	var le *limitError
	if errors.As(err, &le) {
		out.Detail, out.Err = le.text, le
		return out
	}
	if m, cut := strings.CutPrefix(msg, fmt.Sprintf("executing %q at ", name)); cut {
		msg = m
		if name != "" {
			msg = fmt.Sprintf("in %q: %s", name, m)
		}
	}
	if run != nil {
		msg = t.discreet(run, msg, err)
	}
	out.Detail = msg
	return out
}

// discreet takes out of a message what may be a value.
func (t *Template) discreet(run *execution, msg string, err error) string {
	msg = instead(msg, "range can't iterate over ", "range can't iterate over this value")
	msg = instead(msg, "non-comparable type", "values of this type can't be compared")
	if len(run.secrets)+len(run.outside) == 0 {
		return msg
	}
	var lib *libraryError
	if errors.As(err, &lib) {
		msg = strings.ReplaceAll(msg, lib.Error(), lib.short)
	}
	if place, said, found := strings.Cut(msg, "error calling "+sprigPrefix); found {
		name, words, _ := strings.Cut(said, ": ")
		if name == "fail" {
			words = t.ownWords(run, words)
		} else {
			words = "not what this function takes (its own words may hold a secret)"
		}
		msg = place + "error calling " + sprigPrefix + name + ": " + words
	}
	return run.mask(msg)
}

// ownWords keeps the words of a message that stand in the template, or in a
// path it asked for: they are no secrets.
func (t *Template) ownWords(run *execution, msg string) string {
	words := strings.Fields(msg)
	for i, w := range words {
		own := strings.Contains(t.spec.Text, w)
		for _, r := range run.used {
			own = own || strings.Contains(r.Path, strings.Trim(w, `"',;:.()`))
		}
		if !own {
			words[i] = redacted
		}
	}
	return strings.Join(words, " ")
}

const redacted = "[redacted]"

// instead replaces a message of text/template that goes on with a value.
func instead(msg, start, by string) string {
	if i := strings.Index(msg, start); i >= 0 {
		return msg[:i] + by
	}
	return msg
}

// mask takes the values of secrets out of a message. It is a second line of
// defence: our own functions leave them out by themselves.
func (x *execution) mask(msg string) string {
	var values []string
	note := func(v string) {
		if len(v) < 3 {
			return
		}
		values = append(values, v)
		for _, quoted := range []string{fmt.Sprintf("%q", v), asJSON(v)} {
			if in := quoted[1 : len(quoted)-1]; in != v {
				values = append(values, in)
			}
		}
		if lines := strings.Split(v, "\n"); len(lines) > 1 {
			for _, l := range lines {
				if l = strings.TrimSpace(l); len(l) >= 6 {
					values = append(values, l)
				}
			}
		}
	}
	for _, v := range x.outside {
		note(v)
	}
	for _, s := range x.secrets {
		walk(s.Data.Unwrap(), note)
		for _, k := range s.Keys {
			note(k)
		}
		if s.Auth != nil {
			note(s.Auth.ClientToken.Reveal())
		}
		if s.WrapInfo != nil {
			note(s.WrapInfo.Token.Reveal())
		}
	}
	// The longest first: one may hold another.
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	for _, v := range values {
		msg = strings.ReplaceAll(msg, v, redacted)
	}
	return msg
}

func asJSON(s string) string {
	out, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(out)
}

// walk gives every text and number in a value, at any depth.
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
	case []string:
		for _, e := range v {
			f(e)
		}
	case string:
		f(v)
	case bool, nil:
	default: // json.Number and the like
		f(fmt.Sprint(v))
	}
}

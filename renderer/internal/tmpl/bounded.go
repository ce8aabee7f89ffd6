package tmpl

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// The limits of a template when its Spec names none.
const (
	defaultOutput   = 64 << 20
	defaultDuration = 30 * time.Second
	defaultDepth    = 10_000
)

// limits puts in what the Spec leaves open.
func (s *Spec) limits() {
	if s.MaxOutput == 0 {
		s.MaxOutput = defaultOutput
	}
	if s.MaxDuration == 0 {
		s.MaxDuration = defaultDuration
	}
	if s.MaxDepth == 0 {
		s.MaxDepth = defaultDepth
	}
}

// limitError ends an execution that took too much.
type limitError struct{ text string }

func (e *limitError) Error() string { return e.text }

func (t *Template) tooLarge() error {
	return &limitError{fmt.Sprintf("the output is larger than allowed (%d bytes)", t.spec.MaxOutput)}
}

// limited is where a template's output goes. What a template prints it prints
// through this, so that one that never ends is noticed here.
type limited struct {
	t   *Template
	buf *bytes.Buffer
	n   int // writes, to look at the clock now and then only
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.t.spec.MaxOutput-l.buf.Len() {
		return 0, l.t.tooLarge()
	}
	if l.n++; l.n%256 == 0 {
		if err := l.t.onTime(); err != nil {
			return 0, err
		}
	}
	return l.buf.Write(p)
}

// onTime is the error of an execution that takes too long.
func (t *Template) onTime() error {
	if time.Now().After(t.run.deadline) {
		return &limitError{fmt.Sprintf("the template ran longer than allowed (%s)", t.spec.MaxDuration)}
	}
	return nil
}

// bounded refuses to make a text of n times size bytes that is longer than the
// whole output may be.
func (t *Template) bounded(n, size int) error {
	if n > 0 && size > 0 && n > t.spec.MaxOutput/size {
		return t.tooLarge()
	}
	return nil
}

// fits gives s unless it is longer than the whole output may be: a text that
// is joined with itself again and again stops growing there.
func (t *Template) fits(s string) (string, error) {
	if len(s) > t.spec.MaxOutput {
		return "", t.tooLarge()
	}
	return s, nil
}

func (t *Template) print(v ...any) (string, error)   { return t.fits(fmt.Sprint(v...)) }
func (t *Template) println(v ...any) (string, error) { return t.fits(fmt.Sprintln(v...)) }
func (t *Template) printf(format string, v ...any) (string, error) {
	return t.fits(fmt.Sprintf(format, v...))
}

func (t *Template) join(sep string, list []string) (string, error) {
	if err := t.bounded(len(list), len(sep)); err != nil {
		return "", err
	}
	return t.fits(strings.Join(list, sep))
}

func (t *Template) replaceAll(from, to, s string) (string, error) {
	if err := t.bounded(strings.Count(s, from), len(to)); err != nil {
		return "", err
	}
	return t.fits(strings.ReplaceAll(s, from, to))
}

func (t *Template) regexReplaceAll(re, repl, s string) (string, error) {
	r, err := compile(re)
	if err != nil {
		return "", err
	}
	return t.fits(r.ReplaceAllString(s, repl))
}

// indent puts n blanks before each line that is not empty.
func (t *Template) indent(n int, s string) (string, error) {
	if n < 0 {
		return "", errors.New("the number of blanks is negative")
	}
	lines := strings.Split(s, "\n")
	if err := t.bounded(n, len(lines)); err != nil {
		return "", err
	}
	pad := strings.Repeat(" ", n)
	for i, l := range lines {
		if l != "" {
			lines[i] = pad + l
		}
	}
	return strings.Join(lines, "\n"), nil
}

// loop counts from 0 to n-1, or from the first to the second number less one.
// It is a channel because only of one does range make both a plain element and
// an index.
func (t *Template) loop(bounds ...any) (<-chan int64, error) {
	if err := t.onTime(); err != nil {
		return nil, err
	}
	if len(bounds) == 0 || len(bounds) > 2 {
		return nil, fmt.Errorf("one or two numbers, not %d", len(bounds))
	}
	var at [2]int64 // from, to
	for i, b := range bounds {
		n, err := wholeNumber(b)
		if err != nil {
			return nil, err
		}
		at[2-len(bounds)+i] = n
	}
	n := at[1] - at[0]
	switch {
	case at[1] <= at[0]:
		n = 0
	case n < 0 || n > maxCount: // below 0: the difference does not fit
		return nil, errTooMany
	}
	c := make(chan int64, n)
	for i := at[0]; i < at[1]; i++ {
		c <- i
	}
	close(c)
	return c, nil
}

func wholeNumber(v any) (int64, error) {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return r.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return int64(r.Uint()), nil //nolint:gosec // wraps as consul-template's does
	case reflect.String:
		return parseInt(r.String())
	default:
		return 0, fmt.Errorf("a number is needed, not %T", v)
	}
}

// executeTemplate gives what a defined template prints.
func (t *Template) executeTemplate(name string, dot ...any) (string, error) {
	if len(dot) > 1 {
		return "", fmt.Errorf("a name and at most one value, not %d", len(dot))
	}
	if t.t.Lookup(name) == nil {
		return "", errors.New("there is no template of that name" + t.t.DefinedTemplates())
	}
	if _, err := t.enter(); err != nil {
		return "", err
	}
	var v any
	if len(dot) == 1 {
		v = dot[0]
	}
	var buf bytes.Buffer
	if err := t.t.ExecuteTemplate(&limited{t: t, buf: &buf}, name, v); err != nil {
		return "", nested(err)
	}
	t.leave()
	return buf.String(), nil
}

// enter notes that a template calls another one.
func (t *Template) enter() (string, error) {
	if t.run.depth++; t.run.depth > t.spec.MaxDepth {
		return "", &limitError{fmt.Sprintf("templates call each other more than %d deep: one calls itself without end", t.spec.MaxDepth)}
	}
	return "", t.onTime()
}

func (t *Template) leave() string { t.run.depth--; return "" }

// tick looks at the clock.
func (t *Template) tick() (string, error) { return "", t.onTime() }

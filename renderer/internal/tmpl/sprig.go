package tmpl

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

const sprigPrefix = "sprig_"

// changing are the sprig functions that consul-template leaves out: what they
// give changes from one execution to the next, or comes from the host.
var changing = [...]string{
	"date", "date_in_zone", "date_modify", "now", "htmlDate", "htmlDateInZone", "dateInZone", "dateModify",
	"randAlphaNum", "randAlpha", "randAscii", "randNumeric", "randBytes", "uuidv4", "env", "expandenv", "getHostByName",
}

// sprigNames gives the names without the prefix, sorted.
func sprigNames() []string {
	return slices.Sorted(maps.Keys(sprig.HermeticTxtFuncMap()))
}

// sprig gives sprig's functions by their names without the prefix. Those that
// make much of little are bounded.
func (t *Template) sprig() template.FuncMap {
	m := sprig.HermeticTxtFuncMap()
	boundCounting(m)
	t.boundGrowing(m)
	t.boundJoining(m)
	return m
}

// boundCounting bounds the functions that make lists of numbers.
func boundCounting(m template.FuncMap) {
	if f, ok := m["until"].(func(int) []int); ok {
		m["until"] = func(n int) ([]int, error) { return counted(span(0, n, 1), func() []int { return f(n) }) }
	}
	if f, ok := m["untilStep"].(func(int, int, int) []int); ok {
		m["untilStep"] = func(from, to, step int) ([]int, error) {
			return counted(span(from, to, step), func() []int { return f(from, to, step) })
		}
	}
	if f, ok := m["seq"].(func(...int) string); ok {
		m["seq"] = func(p ...int) (string, error) { return counted(seqLength(p), func() string { return f(p...) }) }
	}
}

// boundGrowing bounds the functions whose result a number makes long.
func (t *Template) boundGrowing(m template.FuncMap) {
	if f, ok := m["repeat"].(func(int, string) string); ok {
		m["repeat"] = func(n int, s string) (string, error) {
			if err := t.bounded(n, len(s)); err != nil {
				return "", err
			}
			return f(n, s), nil
		}
	}
	for _, name := range []string{"indent", "nindent"} {
		if f, ok := m[name].(func(int, string) string); ok {
			m[name] = func(n int, s string) (string, error) {
				if err := t.bounded(n, 1+strings.Count(s, "\n")); err != nil {
					return "", err
				}
				return f(n, s), nil
			}
		}
	}
}

// boundJoining bounds the functions that, called again and again on their own
// results, make them longer each time.
func (t *Template) boundJoining(m template.FuncMap) {
	for name, f := range m {
		switch f := f.(type) {
		case func(string, string, string) string: // replace and its like
			m[name] = func(a, b, c string) (string, error) { return t.fits(f(a, b, c)) }
		case func(string, any) string: // join
			m[name] = func(sep string, v any) (string, error) { return t.fits(f(sep, v)) }
		case func(...any) string: // cat, quote
			m[name] = func(v ...any) (string, error) { return t.fits(f(v...)) }
		}
	}
	if f, ok := m["concat"].(func(...any) any); ok {
		m["concat"] = func(lists ...any) (any, error) {
			out := f(lists...)
			if l, ok := out.([]any); ok && len(l) > maxCount {
				return nil, errTooMany
			}
			return out, nil
		}
	}
}

// maxCount is how far a loop, and a list made by counting, may go.
const maxCount = 1 << 20

var errTooMany = errors.New("more than 1048576 elements are not allowed")

func counted[T any](n int, f func() T) (T, error) {
	if n > maxCount {
		var none T
		return none, errTooMany
	}
	return f(), nil
}

// span is how many steps lie between two numbers.
func span(from, to, step int) int {
	if step == 0 {
		return 0
	}
	return int(min(math.Abs((float64(to)-float64(from))/float64(step)), maxCount+1))
}

// seqLength is how many numbers seq gives.
func seqLength(p []int) int {
	switch len(p) {
	case 1:
		return span(1, p[0], 1)
	case 2:
		return span(p[0], p[1], 1)
	case 3:
		return span(p[0], p[2], p[1])
	}
	return 0
}

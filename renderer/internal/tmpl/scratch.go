package tmpl

import (
	"errors"
	"maps"
	"slices"
)

// Scratch is where a template keeps values by name. It is empty at the start
// of every execution.
type Scratch struct{ values map[string]any }

func (t *Template) scratch() *Scratch {
	if t.run.scratch == nil {
		t.run.scratch = &Scratch{values: map[string]any{}}
	}
	return t.run.scratch
}

// Key says whether there is a value of that name.
func (s *Scratch) Key(k string) bool { _, ok := s.values[k]; return ok }

// Get gives the value, nil when there is none.
func (s *Scratch) Get(k string) any { return s.values[k] }

// Set keeps a value. It prints nothing.
func (s *Scratch) Set(k string, v any) string { s.values[k] = v; return "" }

// SetX keeps a value unless there is one.
func (s *Scratch) SetX(k string, v any) string {
	if !s.Key(k) {
		s.values[k] = v
	}
	return ""
}

// MapSet keeps a value in the map of that name, which is made if need be.
func (s *Scratch) MapSet(k, mk string, v any) (string, error) {
	m, err := s.mapOf(k)
	if err == nil {
		m[mk] = v
	}
	return "", err
}

// MapSetX is MapSet unless the map has the key.
func (s *Scratch) MapSetX(k, mk string, v any) (string, error) {
	m, err := s.mapOf(k)
	if err != nil {
		return "", err
	}
	if _, there := m[mk]; !there {
		m[mk] = v
	}
	return "", nil
}

var errNoMap = errors.New("the value of that name is not a map")

func (s *Scratch) mapOf(k string) (map[string]any, error) {
	if !s.Key(k) {
		s.values[k] = map[string]any{}
	}
	m, ok := s.values[k].(map[string]any)
	if !ok {
		return nil, errNoMap
	}
	return m, nil
}

// MapValues gives the values of the map of that name, in the order of their
// keys.
func (s *Scratch) MapValues(k string) []any {
	m, ok := s.values[k].(map[string]any)
	if !ok {
		return nil
	}
	out := make([]any, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[key])
	}
	return out
}

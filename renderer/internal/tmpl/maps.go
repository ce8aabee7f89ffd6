package tmpl

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"

	"dario.cat/mergo"
)

var errPathTaken = errors.New("a key with / goes through a value that is not a map")

// explodeMap makes nested maps of keys with slashes.
func explodeMap(flat map[string]any) (map[string]any, error) {
	out := map[string]any{}
	for _, k := range slices.Sorted(maps.Keys(flat)) {
		steps := strings.Split(k, "/")
		last := len(steps) - 1
		at := out
		for _, s := range steps[:last] {
			if _, there := at[s]; !there {
				at[s] = map[string]any{}
			}
			next, ok := at[s].(map[string]any)
			if !ok {
				return nil, errPathTaken
			}
			at = next
		}
		if steps[last] != "" {
			at[steps[last]] = flat[k]
		}
	}
	return out, nil
}

// mergeMap puts what dst lacks from src into it, at any depth.
func mergeMap(dst, src map[string]any) (map[string]any, error) {
	if err := mergo.Map(&dst, src); err != nil {
		return nil, &libraryError{"the maps can't be merged", err}
	}
	return dst, nil
}

// mergeMapWithOverride is mergeMap where src wins.
func mergeMapWithOverride(dst, src map[string]any) (map[string]any, error) {
	if err := mergo.Map(&dst, src, mergo.WithOverride); err != nil {
		return nil, &libraryError{"the maps can't be merged", err}
	}
	return dst, nil
}

var errNil = errors.New("nil can't be looked for")

// in says whether the list holds v: whole numbers with whole numbers,
// fractions with fractions, texts of one type; or the text list the text v.
func in(list, v any) (bool, error) {
	l, want := reflect.ValueOf(list), reflect.ValueOf(v)
	switch l.Kind() {
	case reflect.String:
		if !want.IsValid() {
			return false, errNil
		}
		return want.Type() == l.Type() && strings.Contains(l.String(), want.String()), nil
	case reflect.Slice, reflect.Array:
		for i := range l.Len() {
			e := l.Index(i)
			if e.Kind() == reflect.Interface {
				e = e.Elem()
			}
			if !want.IsValid() && e.Kind() == reflect.String {
				return false, errNil
			}
			if same(e, want) {
				return true, nil
			}
		}
	}
	return false, nil
}

func same(a, b reflect.Value) bool {
	switch {
	case a.CanInt():
		return b.CanInt() && a.Int() == b.Int()
	case a.CanFloat():
		return b.CanFloat() && a.Float() == b.Float()
	case a.Kind() == reflect.String:
		return a.Type() == b.Type() && a.String() == b.String()
	}
	return false
}

// contains is in with the list last, for pipes.
func contains(v, list any) (bool, error) { return in(list, v) }

func containsAll(wanted []any, list any) (bool, error) { return every(wanted, list, true) }

func containsNone(wanted []any, list any) (bool, error) { return every(wanted, list, false) }

func containsAny(wanted []any, list any) (bool, error) {
	none, err := every(wanted, list, false)
	return !none, err
}

func containsNotAll(wanted []any, list any) (bool, error) {
	all, err := every(wanted, list, true)
	return !all, err
}

// every says whether each wanted value is in the list, or each is not.
func every(wanted []any, list any, there bool) (bool, error) {
	for _, w := range wanted {
		found, err := in(list, w)
		if err != nil {
			return false, err
		}
		if found != there {
			return false, nil
		}
	}
	return true, nil
}

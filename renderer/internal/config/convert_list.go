package config

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-secure-stdlib/parseutil"
	"github.com/hashicorp/hcl/v2"
)

// command splits a single string at its commas, as Vault Agent does.
func (d *decoder) command(k *Key, in any, at hcl.Range) (any, bool) {
	switch x := in.(type) {
	case string:
		if x == "" {
			return []string{}, true
		}
		parts := strings.Split(x, ",")
		if len(parts) > 1 {
			d.warnf(at, "Command split at commas", "A command in one string is split at its commas, as in Vault Agent: this one becomes %d words. Write a list instead: [\"sh\", \"-c\", \"...\"].", len(parts))
		}
		return parts, true
	case []any:
		return d.words(k, x, at)
	}
	d.bad(at, k, `a list of strings, such as ["nginx", "-s", "reload"], or a string`)
	return nil, false
}

// shellCommand leaves a single string in one piece: Vault Agent has no such
// key, and so nobody expects it to be split at its commas.
func (d *decoder) shellCommand(k *Key, in any, at hcl.Range) (any, bool) {
	switch x := in.(type) {
	case string:
		if strings.TrimSpace(x) == "" {
			return []string{}, true
		}
		return []string{x}, true
	case []any:
		return d.words(k, x, at)
	}
	d.bad(at, k, `a list of strings, such as ["nginx", "-s", "reload"], or a string for a shell`)
	return nil, false
}

// words is a list in which everything is a string.
func (d *decoder) words(k *Key, list []any, at hcl.Range) (any, bool) {
	out := make([]string, 0, len(list))
	for _, e := range list {
		s, ok := e.(string)
		if !ok {
			d.bad(at, k, "a list of strings: write every element in quotes")
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

// list reads a list of strings. Words may stand in one string, with commas;
// in Strings a number counts as its text: both as in Vault Agent.
func (d *decoder) list(k *Key, in any, at hcl.Range) (any, bool) {
	if s, ok := in.(string); ok && k.Kind == Words {
		if s == "" {
			return []string{}, true
		}
		return strings.Split(s, ","), true
	}
	elems, ok := in.([]any)
	if !ok {
		d.bad(at, k, `a list of strings, such as ["a", "b"]`)
		return nil, false
	}
	out := make([]string, 0, len(elems))
	for _, e := range elems {
		s, ok := e.(string)
		if n, isInt := e.(int64); isInt && k.Kind == Strings {
			s, ok = strconv.FormatInt(n, 10), true
		}
		switch {
		case !ok:
			d.bad(at, k, "a list of strings: write every element in quotes")
			return nil, false
		case len(k.Words) > 0 && s != "" && !slices.Contains(k.Words, s):
			d.errorf(at, "Invalid value", "Every element of %q must be %s.%s", k.Name, oneOf(k.Words), didYouMean(s, k.Words))
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

func (d *decoder) size(k *Key, in any, at hcl.Range) (any, bool) {
	switch x := in.(type) {
	case int64:
		return x, true
	case string:
		if n, err := strconv.ParseInt(x, 10, 64); err == nil {
			return n, true
		}
	}
	d.bad(at, k, "a whole number of bytes")
	return nil, false
}

// tokenUse is "true", "false" or "force".
func (d *decoder) tokenUse(k *Key, in any, at hcl.Range) (any, bool) {
	if s, ok := in.(string); ok && strings.EqualFold(s, "force") {
		return "force", true
	}
	if _, list := in.([]any); in != nil && !list {
		if b, err := parseutil.ParseBool(in); err == nil {
			return strconv.FormatBool(b), true
		}
	}
	d.bad(at, k, `true, false or "force"`)
	return nil, false
}

// waitString reads "min:max", or "min" alone.
func (d *decoder) waitString(in any, at hcl.Range) (any, bool) {
	s, ok := in.(string)
	if !ok {
		d.errorf(at, "Invalid value", "\"wait\" must be a block, wait { min = \"2s\" max = \"10s\" }, or a string such as \"2s:10s\".")
		return nil, false
	}
	w, err := parseWait(s)
	if err != nil {
		d.errorf(at, "Invalid duration", "\"wait\" %s; write it as \"2s:10s\", the shortest and the longest wait.", err)
		return nil, false
	}
	return w, true
}

func parseWait(s string) (Wait, error) {
	low, high, both := strings.Cut(strings.TrimSpace(s), ":")
	lowest, err := time.ParseDuration(strings.TrimSpace(low))
	if err != nil {
		return Wait{}, errors.New("must hold durations with a unit")
	}
	longest := 4 * lowest
	if both {
		if longest, err = time.ParseDuration(strings.TrimSpace(high)); err != nil {
			return Wait{}, errors.New("must hold durations with a unit")
		}
	}
	switch {
	case lowest < 0 || longest < 0:
		return Wait{}, errors.New("must not be negative")
	case longest < lowest:
		return Wait{}, errors.New("has a longest wait that is shorter than the shortest")
	}
	return Wait{Min: lowest, Max: longest}, nil
}

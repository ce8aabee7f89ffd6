package config

import (
	"errors"
	"io/fs"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-secure-stdlib/parseutil"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// convert gives the Go value of an attribute by its kind: string, bool, int,
// float64, time.Duration, uint32 (Perms), []string (Command). What is written
// is never repeated in a message beyond the source line that HCL shows: it may
// be a secret in the wrong place.
func (d *decoder) convert(k *Key, e hcl.Expression) (any, bool) {
	v, _ := e.Value(nil)
	if v.IsNull() {
		return nil, false // JSON's null: as if not written
	}
	in := plain(v)
	at := e.StartRange()
	switch k.Kind {
	case String, QuotedString, SignalName:
		return d.str(k, in, e)
	case Bool, WeakBool:
		return d.boolean(k, in, at)
	case Int, StrictInt:
		return d.integer(k, in, at)
	case Float:
		switch x := in.(type) {
		case float64:
			return x, true
		case int64:
			return float64(x), true
		}
		d.bad(at, k, "a number such as 0.9")
	case Duration, GoDuration:
		return d.duration(k, in, at)
	case DurationOff:
		return d.durationOff(k, in, at)
	case Perms, Mode:
		return d.perms(k, in, at)
	case Command:
		return d.command(k, in, at)
	case ShellCommand:
		return d.shellCommand(k, in, at)
	case Strings, Words:
		return d.list(k, in, at)
	case Size:
		return d.size(k, in, at)
	case WaitString:
		return d.waitString(in, at)
	case TokenUse:
		return d.tokenUse(k, in, at)
	}
	return nil, false
}

func (d *decoder) bad(at hcl.Range, k *Key, want string) {
	d.errorf(at, "Invalid value", "%q must be %s.", k.Name, want)
}

// plain is a cty value as string, bool, int64, float64, []any, or nil for anything else.
func plain(v cty.Value) any {
	switch t := v.Type(); {
	case v.IsNull():
	case t == cty.String:
		return v.AsString()
	case t == cty.Bool:
		return v.True()
	case t == cty.Number:
		f := v.AsBigFloat()
		if i, acc := f.Int64(); acc == big.Exact {
			return i
		}
		x, _ := f.Float64()
		return x
	case t.IsTupleType():
		out := []any{}
		for _, e := range v.AsValueSlice() {
			out = append(out, plain(e))
		}
		return out
	}
	return nil
}

func (d *decoder) str(k *Key, in any, e hcl.Expression) (any, bool) {
	s, ok := in.(string)
	if n, isInt := in.(int64); isInt && k.Kind == String {
		s, ok = strconv.FormatInt(n, 10), true
	}
	switch {
	case !ok && (isNumber(in) || in == true || in == false):
		d.bad(e.StartRange(), k, "a string: write the value in quotes")
		return nil, false
	case !ok:
		d.bad(e.StartRange(), k, "a string")
		return nil, false
	case k.Kind == SignalName:
		return d.signal(s, e.StartRange())
	case len(k.Enum) > 0 && s != "":
		if !k.Exact {
			s = k.known(strings.TrimSpace(s))
		}
		if !slices.Contains(k.Enum, s) {
			d.errorf(e.StartRange(), "Invalid value", "%q must be %s.%s", k.Name, oneOf(k.Enum), didYouMean(s, k.Enum))
			return nil, false
		}
	}
	return s, true
}

// known is s as Enum writes it, whatever the case of its letters.
func (k *Key) known(s string) string {
	for _, e := range k.Enum {
		if strings.EqualFold(s, e) {
			return e
		}
	}
	return strings.ToLower(s)
}

func isNumber(in any) bool {
	switch in.(type) {
	case int64, float64:
		return true
	}
	return false
}

func oneOf(words []string) string {
	if len(words) == 1 {
		return strconv.Quote(words[0])
	}
	out := make([]string, 0, len(words))
	for _, w := range words {
		out = append(out, strconv.Quote(w))
	}
	return "one of " + strings.Join(out, ", ")
}

func (d *decoder) boolean(k *Key, in any, at hcl.Range) (any, bool) {
	if b, ok := in.(bool); ok {
		return b, true
	}
	if _, list := in.([]any); k.Kind == WeakBool && in != nil && !list {
		if b, err := parseutil.ParseBool(in); err == nil {
			return b, true
		}
	}
	d.bad(at, k, "true or false, without quotes")
	return nil, false
}

func (d *decoder) integer(k *Key, in any, at hcl.Range) (any, bool) {
	switch x := in.(type) {
	case int64:
		if n := int(int32(x)); int64(n) == x {
			return n, true
		}
		d.bad(at, k, "a smaller number")
		return nil, false
	case string:
		if n, err := strconv.ParseInt(x, 0, 32); err == nil && k.Kind == Int {
			return int(n), true
		}
	}
	d.bad(at, k, "a whole number, without quotes")
	return nil, false
}

var errNoDuration = errors.New("neither string nor whole number")

func (d *decoder) duration(k *Key, in any, at hcl.Range) (any, bool) {
	example := `a duration such as "30s", "5m" or 30 (seconds)`
	if k.Kind == DurationOff {
		example += `, or "off"`
	}
	var v time.Duration
	var err error
	switch x := in.(type) {
	case string:
		if k.Kind == GoDuration {
			example = `a duration with a unit, such as "30s" or "5m"`
			v, err = time.ParseDuration(x)
		} else {
			v, err = parseutil.ParseDurationSecond(x)
		}
	case int64:
		if k.Kind == GoDuration {
			// Vault Agent takes a bare number here as nanoseconds.
			if v = time.Duration(x); x != 0 {
				d.warnf(at, "Duration without a unit", "A bare number counts nanoseconds here, as in Vault Agent. Write %q with a unit, such as \"30s\".", k.Name)
			}
		} else {
			v, err = parseutil.ParseDurationSecond(x)
		}
	case float64:
		if err = errNoDuration; k.Kind != GoDuration {
			v, err = parseutil.ParseDurationSecond(x)
		}
	default:
		err = errNoDuration
	}
	if err != nil {
		d.errorf(at, "Invalid duration", "%q must be %s.", k.Name, example)
		return nil, false
	}
	if v < 0 && k.NegUnset {
		d.warnf(at, "Negative duration", "A negative %q counts as not set, as in Vault Agent.", k.Name)
		return time.Duration(0), true
	}
	if v < 0 {
		d.errorf(at, "Invalid duration", "%q must not be negative.", k.Name)
		return nil, false
	}
	return v, true
}

// durationOff is a duration for which "off" and 0 are -1, so that 0 can mean
// "not set".
func (d *decoder) durationOff(k *Key, in any, at hcl.Range) (any, bool) {
	if s, ok := in.(string); ok && strings.EqualFold(strings.TrimSpace(s), "off") {
		return time.Duration(-1), true
	}
	v, ok := d.duration(k, in, at)
	if v == time.Duration(0) {
		v = time.Duration(-1)
	}
	return v, ok
}

// perms reads file permissions. Numbers count as they are, as in Vault Agent:
// only HCL's leading 0 makes them octal.
func (d *decoder) perms(k *Key, in any, at hcl.Range) (any, bool) {
	n := int64(-1)
	switch x := in.(type) {
	case string:
		if k.Kind == Mode {
			d.errorf(at, "Invalid permissions", "%q must be a number without quotes, such as 0640 (416 in JSON, which has no octal numbers).", k.Name)
			return nil, false
		}
		if u, err := strconv.ParseUint(x, 8, 12); err == nil {
			n = int64(u)
		}
	case int64:
		n = x
	}
	if n < 0 || n > 0o7777 && k.Kind == Perms || n > math.MaxUint32 || fs.FileMode(n)&fs.ModeType != 0 {
		d.errorf(at, "Invalid permissions", "%q must be octal permissions such as \"0640\".", k.Name)
		return nil, false
	}
	if n&^0o777 != 0 {
		hint := ""
		if _, isInt := in.(int64); isInt {
			hint = " A number without a leading 0 is decimal."
		}
		d.warnf(at, "Unusual permissions", "Only the last nine bits count: the file gets %04o.%s", n&0o777, hint)
	}
	return uint32(n & 0o777), true
}

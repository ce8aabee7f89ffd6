package tmpl

import (
	"fmt"
	"slices"
	"strings"
	"text/template"
)

// function is one row of the table: what needs nothing but its arguments.
// Argument order is consul-template's: a piped value comes last. Errors never
// hold an argument's value.
type function struct {
	name string
	call any
}

// pure is in the binary as it stands here: nothing is built at start.
var pure = [...]function{
	{"add", add},
	{"base64Decode", base64Decode},
	{"base64Encode", base64Encode},
	{"base64URLDecode", base64URLDecode},
	{"base64URLEncode", base64URLEncode},
	{"contains", contains},
	{"containsAll", containsAll},
	{"containsAny", containsAny},
	{"containsNone", containsNone},
	{"containsNotAll", containsNotAll},
	{"divide", divide},
	{"explodeMap", explodeMap},
	{"hmacSHA256Hex", hmacSHA256Hex},
	{"in", in},
	{"maximum", maximum},
	{"md5sum", md5sum},
	{"mergeMap", mergeMap},
	{"mergeMapWithOverride", mergeMapWithOverride},
	{"minimum", minimum},
	{"modulo", modulo},
	{"multiply", multiply},
	{"parseBool", parseBool},
	{"parseFloat", parseFloat},
	{"parseInt", parseInt},
	{"parseJSON", parseJSON},
	{"parseUint", parseUint},
	{"parseYAML", parseYAML},
	{"regexMatch", regexMatch},
	{"sha256Hex", sha256Hex},
	{"sockaddr", sockaddr},
	{"spew_sdump", spewSdump},
	{"spew_sprintf", spewSprintf},
	{"split", split},
	{"splitToMap", splitToMap},
	{"subtract", subtract},
	{"timestamp", timestamp},
	{"toJSON", toJSON},
	{"toJSONPretty", toJSONPretty},
	{"toLower", strings.ToLower},
	{"toTOML", toTOML},
	{"toTitle", toTitle},
	{"toUnescapedJSON", toUnescapedJSON},
	{"toUnescapedJSONPretty", toUnescapedJSONPretty},
	{"toUpper", strings.ToUpper},
	{"toYAML", toYAML},
	{"trim", trim},
	{"trimPrefix", trimPrefix},
	{"trimSpace", strings.TrimSpace},
	{"trimSuffix", trimSuffix},
}

// binding is a row of the functions that belong to one template: they ask its
// View, are bounded by its limits, or leave something in its Result.
type binding struct {
	name string
	bind func(*Template) any
}

var bound = [...]binding{
	{"env", func(t *Template) any { return t.env }},
	{"envOrDefault", func(t *Template) any { return t.envOrDefault }},
	{"executeTemplate", func(t *Template) any { return t.executeTemplate }},
	{"file", func(t *Template) any { return t.file }},
	{"indent", func(t *Template) any { return t.indent }},
	{"join", func(t *Template) any { return t.join }},
	{"loop", func(t *Template) any { return t.loop }},
	{"mustEnv", func(t *Template) any { return t.mustEnv }},
	{"pkiCert", func(t *Template) any { return t.pkiCert }},
	{"plugin", func(t *Template) any { return t.plugin }},
	{"regexReplaceAll", func(t *Template) any { return t.regexReplaceAll }},
	{"replaceAll", func(t *Template) any { return t.replaceAll }},
	{"scratch", func(t *Template) any { return t.scratch }},
	{"secret", func(t *Template) any { return t.secret }},
	{"secrets", func(t *Template) any { return t.secrets }},
	{"spew_dump", func(t *Template) any { return t.spewDump }},
	{"spew_printf", func(t *Template) any { return t.spewPrintf }},
	{"writeToFile", func(t *Template) any { return t.writeToFile }},
	// Go's own, bounded.
	{"print", func(t *Template) any { return t.print }},
	{"printf", func(t *Template) any { return t.printf }},
	{"println", func(t *Template) any { return t.println }},
}

// builtins are the functions that text/template has itself. No denylist
// reaches them.
var builtins = [...]string{
	"and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt",
	"ne", "not", "or", "print", "printf", "println", "slice", "urlquery",
}

// functions gives text/template the functions that the template names, and no
// others: it keeps two copies of the table for each template. An unknown name
// is refused with its place.
func (t *Template) functions(names []ident) (template.FuncMap, error) {
	out := template.FuncMap{}
	var sprig template.FuncMap
	for _, id := range names {
		name := id.name
		if out[name] != nil {
			continue
		}
		builtin := slices.Contains(builtins[:], name)
		if !builtin && t.denied(name) && known(name) {
			out[name] = func(...any) (string, error) {
				return "", fmt.Errorf("the function %s is denied by function_denylist", name)
			}
			continue
		}
		if strings.HasPrefix(name, sprigPrefix) && sprig == nil {
			sprig = t.sprig()
		}
		switch f := t.function(name, sprig); {
		case f != nil:
			out[name] = f
		case !builtin:
			return nil, t.unknown(id)
		}
	}
	return out, nil
}

// function gives the function of that name, nil when there is none.
func (t *Template) function(name string, sprig template.FuncMap) any {
	for i := range pure {
		if pure[i].name == name {
			return pure[i].call
		}
	}
	for i := range bound {
		if bound[i].name == name {
			return bound[i].bind(t)
		}
	}
	for i := range quoting {
		if quoting[i].name == name {
			return quoting[i].call
		}
	}
	if s, ok := strings.CutPrefix(name, sprigPrefix); ok {
		return sprig[s]
	}
	return nil
}

// denied says whether function_denylist names the function. A pattern knows
// one special character: * stands for anything.
func (t *Template) denied(name string) bool {
	return slices.ContainsFunc(t.spec.Denylist, func(pattern string) bool { return glob(pattern, name) })
}

func glob(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	s, ok := strings.CutPrefix(s, parts[0])
	if !ok {
		return false
	}
	last := len(parts) - 1
	for _, p := range parts[1:last] {
		_, after, found := strings.Cut(s, p)
		if !found {
			return false
		}
		s = after
	}
	return strings.HasSuffix(s, parts[last])
}

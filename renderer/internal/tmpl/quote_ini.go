package tmpl

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Readers of INI files disagree: what one takes for a quote is part of the
// password for the next. So the reader has a name.
const (
	iniLiteral = "literal"      // the value as it stands, less the blanks around it: webapp, most small readers
	iniV1      = "ini.v1"       // Go's gopkg.in/ini.v1 with any options: `...` quotes
	iniPython  = "configparser" // Python's ConfigParser: %% is %
)

// iniReader takes the reader's name from arguments that may begin with it.
func iniReader(args []any) (reader string, v any, err error) {
	switch len(args) {
	case 1:
		return iniLiteral, args[0], nil
	case 2:
		reader, _ = args[0].(string)
		if reader == iniLiteral || reader == iniV1 || reader == iniPython {
			return reader, args[1], nil
		}
		return "", nil, fmt.Errorf("the reader must be %q, %q or %q", iniLiteral, iniV1, iniPython)
	}
	return "", nil, fmt.Errorf("a value, or a reader and a value, not %d arguments", len(args))
}

func iniQuote(args ...any) (string, error) {
	reader, v, err := iniReader(args)
	if err != nil {
		return "", err
	}
	return iniValue(reader, v)
}

func iniValue(reader string, v any) (string, error) {
	s, err := quotableText(v)
	if err != nil {
		return "", err
	}
	if reader == iniV1 {
		return iniV1Value(s)
	}
	if err := control(s, "\t"); err != nil {
		return "", err
	}
	if strings.TrimFunc(s, unicode.IsSpace) != s {
		return "", errBlanks
	}
	if reader == iniPython {
		s = strings.ReplaceAll(s, "%", "%%")
	}
	return s, nil
}

var (
	iniReference  = regexp.MustCompile(`%\([^)]+\)s`)
	errReference  = errors.New("the value holds %(name)s, which gopkg.in/ini.v1 takes for a reference and can't escape")
	errIniV1Mixed = errors.New("the value has several lines, a backtick and \"\"\": gopkg.in/ini.v1 has no quote left for it")
)

func iniV1Value(s string) (string, error) {
	switch {
	case strings.ContainsRune(s, 0):
		return "", errNUL
	case iniReference.MatchString(s):
		return "", errReference
	case s == "", harmless(s, "_-.:/@+=,~%^&*!?|()[]{}<>$"):
		return s, nil
	}
	// The quotes end at the last ` of the line, or of the first line that has one.
	if !strings.Contains(s, "\n") || !strings.Contains(s, "`") {
		return "`" + s + "`", nil
	}
	if strings.Contains(s, `"""`) {
		return "", errIniV1Mixed
	}
	return `"""` + s + `"""`, nil
}

var (
	errININame = errors.New("readers of INI disagree about this name: letters, digits, blanks and _./@+- are safe")
	errDeep    = errors.New("an INI file has sections, but no sections in sections")
	errNoPlace = errors.New("configparser wants every key in a section")
	errFolded  = errors.New("configparser takes no notice of capitals: this key is there twice")
)

// iniName says whether every reader takes the name as it is. It is no regular
// expression: those of all letters are large, and would be made at start.
func iniName(s string) bool {
	for i, r := range s {
		inner := strings.ContainsRune("./@+-", r) || r == ' ' && i < len(s)-1
		if r != '_' && !unicode.IsLetter(r) && !unicode.IsNumber(r) && (i == 0 || !inner) {
			return false
		}
	}
	return s != ""
}

func toINI(args ...any) (string, error) {
	reader, v, err := iniReader(args)
	if err != nil {
		return "", err
	}
	m, err := stringMap(v)
	if err != nil {
		return "", err
	}
	var out []string
	plain := maps.Clone(m)
	maps.DeleteFunc(plain, func(_ string, v any) bool { return isMap(v) })
	if out, err = iniSection(reader, plain, out); err != nil {
		return "", err
	}
	if reader == iniPython && len(plain) > 0 {
		return "", errNoPlace
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !isMap(m[name]) {
			continue
		}
		section, err := stringMap(m[name])
		if err == nil && !iniName(name) {
			err = errININame
		}
		if err != nil {
			return "", atKey(name, err)
		}
		if out, err = iniSection(reader, section, append(out, "["+name+"]")); err != nil {
			return "", atKey(name, err)
		}
	}
	return strings.Join(out, "\n"), nil
}

// iniSection adds the lines of one section.
func iniSection(reader string, m map[string]any, out []string) ([]string, error) {
	folded := map[string]bool{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		lower := strings.ToLower(k)
		switch {
		case isMap(m[k]):
			return nil, atKey(k, errDeep)
		case !iniName(k):
			return nil, atKey(k, errININame)
		case reader == iniPython && folded[lower]:
			return nil, atKey(k, errFolded)
		}
		folded[lower] = true
		s, err := iniValue(reader, m[k])
		if err != nil {
			return nil, atKey(k, err)
		}
		out = append(out, strings.TrimRight(k+" = "+s, " "))
	}
	return out, nil
}

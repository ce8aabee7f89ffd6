package tmpl

import (
	"errors"
	"strings"
)

// The programs of MySQL and MariaDB read option files in pieces of 4096 bytes.
const maxMycnf = 3840

var (
	errLongMycnf = errors.New("the value is too long: the programs of MySQL read lines of at most 4095 bytes")
	mycnfEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\b", `\b`)
)

// mycnfQuote takes the quotes that need the least escaping: readers other than
// MySQL's own (PyMySQL's, for one) take off quotes, but know no escapes.
func mycnfQuote(v any) (string, error) {
	s, err := quotable(v)
	if err != nil {
		return "", err
	}
	switch {
	case strings.ContainsRune(s, 0):
		return "", errNUL
	case s == "", harmless(s, "_-.:/@+=,~%^*"):
	case strings.Contains(s, `"`) && !strings.Contains(s, "'"):
		s = "'" + mycnfEscapes.Replace(s) + "'"
	default:
		s = `"` + strings.ReplaceAll(mycnfEscapes.Replace(s), `"`, `\"`) + `"`
	}
	if len(s) > maxMycnf {
		return "", errLongMycnf
	}
	return s, nil
}

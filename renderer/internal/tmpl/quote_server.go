package tmpl

import (
	"errors"
	"strings"
)

// Lines of HAProxy's configuration have 2048 bytes, parameters of nginx's 4096.
const (
	maxHAProxy = 1900
	maxNginx   = 4000
)

var (
	errLongHAProxy = errors.New("the value is too long: HAProxy reads lines of at most 2048 bytes")
	errLongNginx   = errors.New("the value is too long: nginx reads parameters of at most 4096 bytes")
	errDollar      = errors.New("the value holds a \"$\": nginx takes it for a variable and can't escape it")
	haproxyEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "\n", `\n`, "\r", `\r`)
	nginxEscapes   = strings.NewReplacer(`\`, `\\`, `"`, `\"`)
)

var errEmptyHAProxy = errors.New("the value is empty: HAProxy takes that for the end of the line")

// haproxyQuote takes single quotes, in which everything stands for itself,
// where they do.
func haproxyQuote(v any) (string, error) {
	s, err := quotable(v)
	switch {
	case err != nil:
		return "", err
	case strings.ContainsRune(s, 0):
		return "", errNUL
	case s == "":
		return "", errEmptyHAProxy
	case harmless(s, "_-.:/@+,"):
	case strings.ContainsAny(s, "'\r\n"):
		s = `"` + haproxyEscapes.Replace(s) + `"`
	default:
		s = "'" + s + "'"
	}
	if len(s) > maxHAProxy {
		return "", errLongHAProxy
	}
	return s, nil
}

func nginxQuote(v any) (string, error) {
	s, err := quotable(v)
	switch {
	case err != nil:
		return "", err
	case strings.ContainsRune(s, 0):
		return "", errNUL
	case strings.Contains(s, "$"):
		return "", errDollar
	}
	s = `"` + nginxEscapes.Replace(s) + `"`
	if len(s) > maxNginx {
		return "", errLongNginx
	}
	return s, nil
}

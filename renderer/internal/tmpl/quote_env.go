package tmpl

import (
	"errors"
	"strings"
)

// plainWord are the signs that no shell and no reader of environment files
// takes for anything else.
const plainWord = "_-.:/@%+,"

// doubleQuoted escapes what a POSIX shell and systemd unescape in double
// quotes, and nothing else.
var doubleQuoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`")

// envQuote is for a POSIX shell and for systemd, which refuses control
// characters. Where single quotes do, it takes them: in those all readers of
// such files agree, also those of the dotenv libraries.
func envQuote(v any) (string, error) {
	s, err := quotableText(v)
	if err != nil {
		return "", err
	}
	if strings.ContainsRune(s, '\r') {
		return "", errControl
	}
	if err := control(s, "\t\n"); err != nil {
		return "", err
	}
	switch {
	case harmless(s, plainWord):
		return s, nil
	case strings.ContainsAny(s, `'\`):
		return `"` + doubleQuoted.Replace(s) + `"`, nil
	}
	return "'" + s + "'", nil
}

// maxDockerEnv leaves room for the name: docker reads lines of 64 KiB.
const maxDockerEnv = 60 << 10

var errLongDockerEnv = errors.New("the value is too long: docker reads lines of at most 64 KiB")

func dockerEnv(v any) (string, error) {
	s, err := quotableText(v)
	switch {
	case err != nil:
		return "", err
	case strings.ContainsRune(s, 0):
		return "", errNUL
	case strings.ContainsAny(s, "\r\n"):
		return "", errNewline
	case len(s) > maxDockerEnv:
		return "", errLongDockerEnv
	}
	return s, nil
}

func shellQuote(v any) (string, error) {
	s, err := quotable(v)
	switch {
	case err != nil:
		return "", err
	case strings.ContainsRune(s, 0):
		return "", errNUL
	case harmless(s, plainWord):
		return s, nil
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'", nil
}

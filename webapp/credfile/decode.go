package credfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/ini.v1"
)

const (
	section     = "DATABASE"
	defaultPort = 3306
)

// ErrIncomplete is in the chain of Decode's error when the file lacks
// something: it may be half written.
var ErrIncomplete = errors.New("incomplete")

// Decode reads the content of a configuration file. Values are taken as they
// stand, with nothing but blanks around them removed: "#", ";", quotes, "%"
// and backslashes are part of a password, not syntax. Errors name keys and
// never values.
func Decode(content []byte) (Creds, error) {
	file, err := ini.LoadSources(ini.LoadOptions{
		IgnoreInlineComment:     true, // "a#b" is a password
		IgnoreContinuation:      true, // so is "ends\"
		PreserveSurroundedQuote: true, // so is "'quoted'"
		InsensitiveKeys:         true,
	}, guard(content))
	if err != nil {
		// The library's text quotes the line: it can be the password's.
		return Creds{}, fmt.Errorf("%w: a line is neither [section], key = value nor a comment", ErrIncomplete)
	}
	sec, err := file.GetSection(section)
	if err != nil {
		return Creds{}, fmt.Errorf("%w: no section [%s]", ErrIncomplete, section)
	}
	sum := sha256.Sum256(content)
	c := Creds{Port: defaultPort, Digest: "sha256:" + hex.EncodeToString(sum[:])}
	if missing := fill(&c, sec); len(missing) > 0 {
		return Creds{}, fmt.Errorf("%w: section [%s] has no %s", ErrIncomplete, section, strings.Join(missing, ", "))
	}
	if port := value(sec, "MYSQL_PORT"); port != "" {
		if c.Port, err = strconv.Atoi(port); err != nil || c.Port < 1 || c.Port > 65535 {
			return Creds{}, errors.New("MYSQL_PORT is not a port number")
		}
	}
	return c, nil
}

// fill sets the strings and returns the keys that are missing or empty.
func fill(c *Creds, sec *ini.Section) (missing []string) {
	for _, field := range []struct {
		key string
		to  *string
	}{
		{"MYSQL_HOST", &c.Host},
		{"MYSQL_USER", &c.User},
		{"MYSQL_PASSWORD", &c.Password},
		{"MYSQL_DB", &c.Database},
	} {
		if *field.to = value(sec, field.key); *field.to == "" {
			missing = append(missing, field.key)
		}
	}
	return missing
}

// value is Key.Value, never Key.String: that one expands %(name)s.
func value(sec *ini.Section, key string) string {
	key = strings.ToLower(key)
	if !sec.HasKey(key) {
		return ""
	}
	return strings.TrimPrefix(sec.Key(key).Value(), guardMark)
}

// guardMark stands before values while the library parses them.
const guardMark = "\x01"

// guard hides from the library that a value starts with ` or """: it takes
// those for quotes, has no option against it, and would cut such a password
// (or swallow the lines up to the next quote).
func guard(content []byte) []byte {
	lines := bytes.SplitAfter(content, []byte("\n"))
	out := make([]byte, 0, len(content)+len(lines))
	for _, line := range lines {
		out = append(out, guardLine(line)...)
	}
	return out
}

func guardLine(line []byte) []byte {
	trimmed := bytes.TrimSpace(line)
	i := bytes.IndexAny(line, "=:")
	if len(trimmed) == 0 || i < 0 || bytes.IndexByte([]byte("#;["), trimmed[0]) >= 0 {
		return line
	}
	val := bytes.TrimSpace(line[i+1:])
	if len(val) == 0 || !bytes.HasPrefix(val, []byte("`")) && !bytes.HasPrefix(val, []byte(`"""`)) {
		return line
	}
	guarded := append(bytes.Clone(line[:i+1]), guardMark...)
	guarded = append(guarded, val...)
	return append(guarded, '\n')
}

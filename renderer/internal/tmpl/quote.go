package tmpl

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// quoter is a row of the functions that write a value so that the reader of
// the file gets it back as it was: what the reader can't get is refused. Errors
// never hold a value.
type quoter struct {
	function
	args   string // as they stand in a template
	reader string // what it is for
}

var quoting = [...]quoter{
	{function{"dockerEnv", dockerEnv}, "VALUE", "a value in a file for `docker run --env-file`: raw, no newline"},
	{function{"envQuote", envQuote}, "VALUE", "a value in a file for `. file` of a POSIX shell, and for systemd's `EnvironmentFile=`"},
	{function{"haproxyQuote", haproxyQuote}, "VALUE", "an argument in HAProxy's configuration"},
	{function{"iniQuote", iniQuote}, "[READER] VALUE", "a value in an INI file; READER as for `toINI`"},
	{function{"jsonQuote", jsonQuote}, "VALUE", "a JSON string, with its quotes"},
	{function{"mycnfQuote", mycnfQuote}, "VALUE", "a value in an option file of MySQL or MariaDB (my.cnf)"},
	{function{"mysqlDSN", mysqlDSN}, "USER PASSWORD ADDRESS DATABASE [KEY=VALUE...]", "Go's go-sql-driver/mysql; ADDRESS is host, host:port or a socket's path"},
	{function{"mysqlURI", mysqlURI}, "USER PASSWORD ADDRESS DATABASE [KEY=VALUE...]", "`mysql://` for MySQL Shell, Node, PHP, Ruby, Python"},
	{function{"nginxQuote", nginxQuote}, "VALUE", "a parameter in nginx's configuration; no `$`, which nginx can't escape"},
	{function{"postgresDSN", postgresDSN}, "USER PASSWORD ADDRESS DATABASE [KEY=VALUE...]", "libpq's `key=value` form, also Go's pgx and lib/pq; ADDRESS may be a socket's directory"},
	{function{"postgresURI", postgresURI}, "USER PASSWORD ADDRESS DATABASE [KEY=VALUE...]", "`postgresql://` for libpq, pgx, lib/pq"},
	{function{"propertiesQuote", propertiesQuote}, "VALUE", "a value in a Java .properties file"},
	{function{"redisURI", redisURI}, "USER PASSWORD ADDRESS DATABASE [KEY=VALUE...]", "`redis://`, `rediss://` when ADDRESS begins so, `unix://` for a socket's path"},
	{function{"shellQuote", shellQuote}, "VALUE", "one word of a POSIX shell"},
	{function{"toINI", toINI}, "[READER] MAP", "a whole INI file: `key = value`, a map in the map is a `[section]`; READER is `literal` (no quoting known: the default), `ini.v1` (Go's gopkg.in/ini.v1: Grafana, Gitea) or `configparser` (Python)"},
	{function{"toProperties", toProperties}, "MAP", "a whole Java .properties file; a map in the map makes `outer.inner` keys"},
	{function{"tomlQuote", tomlQuote}, "VALUE", "a TOML string, with its quotes"},
	{function{"xmlEscape", xmlEscape}, "VALUE", "text or an attribute's value in XML"},
	{function{"yamlQuote", yamlQuote}, "VALUE", "a YAML string, with its quotes"},
}

// maxQuoted is how long a value may be: a template that quotes its own result
// again and again must not eat the host.
const maxQuoted = 4 << 20

var (
	errNoValue   = errors.New("there is no value: the secret lacks this key")
	errLongValue = errors.New("the value is too long (over 4 MiB)")
	errNUL       = errors.New("the value holds a NUL byte: this format can't carry it")
	errNewline   = errors.New("the value holds a line break: this format can't carry it")
	errControl   = errors.New("the value holds a control character: this format can't carry it")
	errNoUTF8    = errors.New("the value is not valid UTF-8: this format can't carry it")
	errBlanks    = errors.New("the value begins or ends with a blank: this format can't carry it")
)

// quotable is the text of one value. It never asks a value to print itself:
// what guards its secret would print that it does.
func quotable(v any) (string, error) {
	if b, ok := v.([]byte); ok {
		v = string(b)
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return "", errNoValue
	case reflect.String:
		if r.Len() > maxQuoted {
			return "", errLongValue
		}
		return r.String(), nil
	case reflect.Bool:
		return strconv.FormatBool(r.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(r.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(r.Uint(), 10), nil
	case reflect.Float32, reflect.Float64:
		return strconv.FormatFloat(r.Float(), 'f', -1, r.Type().Bits()), nil
	default:
		return "", fmt.Errorf("a text or a number is needed, not %T", v)
	}
}

// quotableText is quotable for formats that are UTF-8.
func quotableText(v any) (string, error) {
	s, err := quotable(v)
	if err == nil && !utf8.ValidString(s) {
		err = errNoUTF8
	}
	return s, err
}

// control finds control characters other than those allowed.
func control(s, allowed string) error {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= ' ' && c != 0x7f, strings.IndexByte(allowed, c) >= 0:
		case c == 0:
			return errNUL
		case c == '\n', c == '\r':
			return errNewline
		default:
			return errControl
		}
	}
	return nil
}

// harmless says that all of s is ASCII letters, digits or one of others.
func harmless(s, others string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return s != ""
}

// stringMap is the keys and values of a map whose keys are texts.
func stringMap(v any) (map[string]any, error) {
	r := reflect.ValueOf(v)
	if !r.IsValid() {
		return nil, errNoValue
	}
	if r.Kind() != reflect.Map {
		return nil, fmt.Errorf("a map is needed, not %T", v)
	}
	out := make(map[string]any, r.Len())
	for it := r.MapRange(); it.Next(); {
		k := it.Key()
		if k.Kind() == reflect.Interface {
			k = k.Elem()
		}
		if k.Kind() != reflect.String {
			return nil, errors.New("the map has a key that is no text")
		}
		out[k.String()] = it.Value().Interface()
	}
	return out, nil
}

func isMap(v any) bool { return reflect.ValueOf(v).Kind() == reflect.Map }

// atKey says which key of a map an error is about.
func atKey(key string, err error) error { return fmt.Errorf("key %q: %w", key, err) }

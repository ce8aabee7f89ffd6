package tmpl

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/davecgh/go-spew/spew"
	"gopkg.in/yaml.v2"
)

var (
	errNoJSON = errors.New("the value is no JSON")
	errNoYAML = errors.New("the value is no YAML")
)

// parseJSON makes numbers float64, as consul-template does.
func parseJSON(s string) (any, error) {
	if s == "" {
		return map[string]any{}, nil
	}
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		return nil, errNoJSON
	}
	return v, nil
}

// parseYAML reads YAML 1.1, where yes and on are booleans.
func parseYAML(s string) (any, error) {
	if s == "" {
		return map[string]any{}, nil
	}
	var v any
	if err := yaml.Unmarshal([]byte(s), &v); err != nil {
		return nil, errNoYAML
	}
	return v, nil
}

func toJSON(v any) (string, error)                { return encodeJSON(v, true, "") }
func toJSONPretty(v any) (string, error)          { return encodeJSON(v, true, "  ") }
func toUnescapedJSON(v any) (string, error)       { return encodeJSON(v, false, "") }
func toUnescapedJSONPretty(v any) (string, error) { return encodeJSON(v, false, "  ") }

// encodeJSON writes < > & as \u003c and so on when escape is set.
func encodeJSON(v any, escape bool, indent string) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(escape)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return "", &libraryError{"the value can't be written as JSON", err}
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

func toYAML(v any) (string, error) {
	out, err := yaml.Marshal(v)
	if err != nil {
		return "", &libraryError{"the value can't be written as YAML", err}
	}
	return string(bytes.TrimSpace(out)), nil
}

func toTOML(v any) (string, error) {
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(v); err != nil {
		return "", &libraryError{"the value can't be written as TOML", err}
	}
	return string(bytes.TrimSpace(b.Bytes())), nil
}

func spewSdump(v ...any) string                  { return spew.Sdump(v...) }
func spewSprintf(format string, v ...any) string { return spew.Sprintf(format, v...) }

// spewDump and spewPrintf are for trying things out: they print beside the
// file that the template makes.
func (t *Template) spewDump(v ...any) (string, error) { return t.debug(spew.Sdump(v...)) }

func (t *Template) spewPrintf(format string, v ...any) (string, error) {
	return t.debug(spew.Sprintf(format, v...))
}

func (t *Template) debug(s string) (string, error) {
	if t.spec.Debug == nil {
		return "", nil
	}
	_, err := t.spec.Debug.Write([]byte(s))
	return "", err
}

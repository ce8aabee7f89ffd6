package tmpl

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"time"

	"vault-renderer/renderer/internal/vault"
)

// Secret is what a template sees of a vault.Secret: consul-template's fields.
type Secret struct {
	RequestID     string
	LeaseID       string
	LeaseDuration int // seconds
	Renewable     bool
	Data          map[string]any
	Warnings      []string
	Auth          *SecretAuth
	WrapInfo      *SecretWrapInfo
}

// SecretAuth is .Auth of a secret.
type SecretAuth struct {
	ClientToken   string
	Accessor      string
	Policies      []string
	Metadata      map[string]string
	LeaseDuration int
	Renewable     bool
}

// SecretWrapInfo is .WrapInfo of a secret.
type SecretWrapInfo struct {
	Token           string
	TTL             int
	CreationTime    string
	WrappedAccessor string
}

func secretFor(s *vault.Secret) *Secret {
	out := &Secret{
		RequestID: s.RequestID, LeaseID: s.Lease.ID, LeaseDuration: int(s.Lease.TTL / time.Second),
		Renewable: s.Lease.Renewable, Data: s.Data.Unwrap(), Warnings: s.Warnings,
	}
	if a := s.Auth; a != nil {
		out.Auth = &SecretAuth{
			ClientToken: a.ClientToken.Reveal(), Accessor: a.Accessor, Policies: a.Policies, Metadata: a.Metadata,
			LeaseDuration: int(a.TTL.TTL / time.Second), Renewable: a.TTL.Renewable,
		}
	}
	if w := s.WrapInfo; w != nil {
		out.WrapInfo = &SecretWrapInfo{Token: w.Token.Reveal(), TTL: w.TTL, CreationTime: w.CreationTime, WrappedAccessor: w.WrappedAccessor}
	}
	return out
}

// functions gives what a template can call beyond Go's own, of the names that
// stand in its text: text/template keeps two copies of the table for each
// template.
func (t *Template) functions() template.FuncMap {
	out := template.FuncMap{
		"secret":  t.secret,
		"secrets": t.secrets,

		"env":          t.env,
		"mustEnv":      t.mustEnv,
		"envOrDefault": t.envOrDefault,
	}
	for _, f := range pure() {
		if strings.Contains(t.spec.Text, f.name) {
			out[f.name] = f.call
		}
	}
	for name := range out {
		if t.denied(name) {
			out[name] = func(...any) (string, error) {
				return "", fmt.Errorf("the function %s is denied by function_denylist", name)
			}
		}
	}
	return out
}

// denied says whether function_denylist names the function. A pattern that is
// none denies nothing but its own name.
func (t *Template) denied(name string) bool {
	for _, pattern := range t.spec.Denylist {
		if ok, _ := path.Match(pattern, name); ok || pattern == name {
			return true
		}
	}
	return false
}

// function is one row of the table.
type function struct {
	name string
	call any
}

// pure is the table of the functions that need nothing but their arguments.
// Argument order is consul-template's: a piped value comes last. Errors never
// hold an argument's value.
func pure() []function {
	return []function{
		{"base64Decode", func(s string) (string, error) { return decode(base64.StdEncoding, "base64Decode", s) }},
		{"base64Encode", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }},
		{"base64URLDecode", func(s string) (string, error) { return decode(base64.URLEncoding, "base64URLDecode", s) }},
		{"base64URLEncode", func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) }},
		{"sha256Hex", sha256Hex},
		{"contains", contains},
		{"in", func(list, v any) (bool, error) { return contains(v, list) }},
		{"indent", indent},
		{"join", func(sep string, list []string) string { return strings.Join(list, sep) }},
		{"split", split},
		{"trim", func(cut, s string) string { return strings.Trim(s, cut) }},
		{"trimPrefix", func(p, s string) string { return strings.TrimPrefix(s, p) }},
		{"trimSuffix", func(p, s string) string { return strings.TrimSuffix(s, p) }},
		{"trimSpace", strings.TrimSpace},
		{"replaceAll", func(from, to, s string) string { return strings.ReplaceAll(s, from, to) }},
		{"regexMatch", regexMatch},
		{"regexReplaceAll", regexReplaceAll},
		{"toLower", strings.ToLower},
		{"toUpper", strings.ToUpper},
		{"parseBool", parseBool},
		{"parseFloat", parseFloat},
		{"parseInt", parseInt},
		{"parseUint", parseUint},
		{"parseJSON", parseJSON},
		{"toJSON", func(v any) (string, error) { return toJSON(v, true, "") }},
		{"toJSONPretty", func(v any) (string, error) { return toJSON(v, true, "  ") }},
		{"toUnescapedJSON", func(v any) (string, error) { return toJSON(v, false, "") }},
		{"toUnescapedJSONPretty", func(v any) (string, error) { return toJSON(v, false, "  ") }},
		{"timestamp", timestamp},
	}
}

// request builds what `secret` or `secrets` asks for; ok is false when there is
// nothing to ask.
func request(name string, args []string) (r vault.Request, ok bool, err error) {
	if len(args) == 0 {
		return r, false, nil
	}
	path := strings.Trim(strings.TrimSpace(args[0]), "/")
	if name == "secrets" {
		if path == "" {
			return r, false, nil
		}
		return vault.Request{Method: vault.MethodList, Path: path}, true, nil
	}
	if path == "" {
		return r, false, errors.New("the path is empty")
	}
	if len(args) == 1 {
		return vault.Request{Method: vault.MethodRead, Path: path}, true, nil
	}
	body := map[string]string{}
	for _, kv := range args[1:] {
		if kv == "" {
			continue
		}
		k, v, found := strings.Cut(kv, "=")
		if !found {
			return r, false, errors.New("an argument after the path has no \"=\"; write it as \"key=value\"")
		}
		body[strings.TrimSpace(k)] = strings.TrimSpace(v)
	}
	sorted, err := json.Marshal(body) // encoding/json sorts the keys
	if err != nil {
		return r, false, errors.New("the arguments can't be encoded")
	}
	return vault.Request{Method: vault.MethodWrite, Path: path, Params: string(sorted)}, true, nil
}

func (t *Template) secret(args ...string) (any, error) {
	r, ok, err := request("secret", args)
	if err != nil || !ok {
		return nil, err
	}
	s, err := t.run.ask(r)
	if err != nil || s == nil {
		return nil, err
	}
	return secretFor(s), nil
}

func (t *Template) secrets(args ...string) ([]string, error) {
	r, ok, err := request("secrets", args)
	if err != nil || !ok {
		return nil, err
	}
	s, err := t.run.ask(r)
	if err != nil || s == nil {
		return nil, err
	}
	return s.Keys, nil
}

func (t *Template) lookupEnv(name string) (string, bool) {
	if t.spec.Env == nil {
		return "", false
	}
	return t.spec.Env(name)
}

func (t *Template) env(name string) string { v, _ := t.lookupEnv(name); return v }

func (t *Template) mustEnv(name string) (string, error) {
	if v := t.env(name); v != "" {
		return v, nil
	}
	return "", fmt.Errorf("the environment variable %s is not set", name)
}

func (t *Template) envOrDefault(name, def string) string {
	if v, set := t.lookupEnv(name); set {
		return v
	}
	return def
}

func decode(e *base64.Encoding, name, s string) (string, error) {
	b, err := e.DecodeString(s)
	if err != nil {
		return "", fmt.Errorf("%s: the value is not of that encoding", name)
	}
	return string(b), nil
}

func sha256Hex(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

// contains says whether list holds v, or the string list the substring v.
func contains(v, list any) (bool, error) {
	if s, ok := list.(string); ok {
		sub, ok := v.(string)
		if !ok {
			return false, errors.New("contains: a string can only contain a string")
		}
		return strings.Contains(s, sub), nil
	}
	rv := reflect.ValueOf(list)
	if rv.Kind() != reflect.Slice && rv.Kind() != reflect.Array {
		return false, errors.New("contains: not a list or string")
	}
	for i := range rv.Len() {
		if reflect.DeepEqual(rv.Index(i).Interface(), v) {
			return true, nil
		}
	}
	return false, nil
}

func indent(n int, s string) (string, error) {
	if n < 0 {
		return "", errors.New("indent: the number of blanks is negative")
	}
	pad := strings.Repeat(" ", n)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if l != "" {
			lines[i] = pad + l
		}
	}
	return strings.Join(lines, "\n"), nil
}

func split(sep, s string) []string {
	s = strings.TrimSpace(s)
	if s == "" {
		return []string{}
	}
	return strings.Split(s, sep)
}

func regexMatch(re, s string) (bool, error) {
	r, err := regexp.Compile(re)
	if err != nil {
		return false, err
	}
	return r.MatchString(s), nil
}

func regexReplaceAll(re, repl, s string) (string, error) {
	r, err := regexp.Compile(re)
	if err != nil {
		return "", err
	}
	return r.ReplaceAllString(s, repl), nil
}

func parsed[T any](name, s string, parse func() (T, error)) (T, error) {
	var zero T
	if s == "" {
		return zero, nil
	}
	v, err := parse()
	if err != nil {
		return zero, fmt.Errorf("%s: the value is not of that form", name)
	}
	return v, nil
}

func parseBool(s string) (bool, error) {
	return parsed("parseBool", s, func() (bool, error) { return strconv.ParseBool(s) })
}

func parseFloat(s string) (float64, error) {
	return parsed("parseFloat", s, func() (float64, error) { return strconv.ParseFloat(s, 64) })
}

func parseInt(s string) (int64, error) {
	return parsed("parseInt", s, func() (int64, error) { return strconv.ParseInt(s, 10, 64) })
}

func parseUint(s string) (uint64, error) {
	return parsed("parseUint", s, func() (uint64, error) { return strconv.ParseUint(s, 10, 64) })
}

func parseJSON(s string) (any, error) {
	if s == "" {
		return map[string]any{}, nil
	}
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		return nil, errors.New("parseJSON: the value is no JSON")
	}
	return v, nil
}

func toJSON(v any, escape bool, indent string) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(escape)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return "", errors.New("toJSON: the value can't be encoded")
	}
	return strings.TrimRight(b.String(), "\n"), nil
}

func timestamp(layout ...string) (string, error) {
	now := time.Now().UTC()
	switch {
	case len(layout) == 0:
		return now.Format(time.RFC3339), nil
	case len(layout) > 1:
		return "", errors.New("timestamp: at most one layout")
	case layout[0] == "unix":
		return strconv.FormatInt(now.Unix(), 10), nil
	}
	return now.Format(layout[0]), nil
}

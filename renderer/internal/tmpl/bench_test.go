package tmpl

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"text/template"

	"vault-renderer/renderer/internal/vault"
)

// bigTemplate has 100 lines and 10 secrets.
func bigTemplate() (string, view) {
	var b strings.Builder
	v := view{}
	for i := range 10 {
		path := fmt.Sprintf("kv/app%d", i)
		v[path] = map[string]any{"user": "u", "password": "canary-pw", "host": "h.example", "port": "3306"}
		fmt.Fprintf(&b, "{{ with secret %q }}[section%d]\nuser = {{ .Data.user }}\npassword = {{ .Data.password | toJSON }}\nhost = {{ .Data.host | toUpper }}\nport = {{ .Data.port }}\n"+
			"{{ if eq .Data.port \"3306\" }}kind = mysql\n{{ else }}kind = other\n{{ end }}# a comment\nurl = mysql://{{ .Data.user }}@{{ .Data.host }}:{{ .Data.port }}/db\n\n{{ end }}", path, i)
	}
	return b.String(), v
}

func BenchmarkExecute(b *testing.B) {
	text, v := bigTemplate()
	tm, err := Parse(Spec{Name: "b", Text: text})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tm.Execute(v); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPlain is the same template by text/template alone, with functions
// that do no more than look the secret up.
func BenchmarkPlain(b *testing.B) {
	text, v := bigTemplate()
	tm := template.Must(template.New("").Funcs(template.FuncMap{
		"secret": func(args ...string) (any, error) {
			s, _, err := v.Secret(vault.Request{Method: vault.MethodRead, Path: args[0]})
			return secretFor(s), err
		},
		"toJSON":  toJSON,
		"toUpper": strings.ToUpper,
	}).Parse(text))
	b.ReportAllocs()
	for b.Loop() {
		var out bytes.Buffer
		if err := tm.Execute(&out, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	text, _ := bigTemplate()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(Spec{Name: "b", Text: text}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParsePlain(b *testing.B) {
	text, _ := bigTemplate()
	funcs := template.FuncMap{"secret": func(...string) any { return nil }, "toJSON": toJSON, "toUpper": strings.ToUpper}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := template.New("").Funcs(funcs).Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseSprig(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(Spec{Name: "b", Text: `{{ "x" | sprig_upper }}`}); err != nil {
			b.Fatal(err)
		}
	}
}

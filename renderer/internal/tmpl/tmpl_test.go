package tmpl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

type view map[string]map[string]any

func (v view) Secret(r vault.Request) (*vault.Secret, bool, error) {
	d, ok := v[r.Path]
	if !ok {
		return nil, false, nil
	}
	return &vault.Secret{Data: vault.NewData(d), Keys: []string{"a", "b"}, Lease: lease.Lease{ID: "l/" + r.Path}}, true, nil
}

func read(p string) vault.Request { return vault.Request{Method: vault.MethodRead, Path: p} }

const seedTemplate = `{{ with secret "database/creds/mysql-role" }}
[DATABASE]
MYSQL_DB = notes_webapp
MYSQL_USER = {{ .Data.username }}
MYSQL_PASSWORD = {{ .Data.password }}
{{ end }}
`

func TestExecute(t *testing.T) {
	data := view{
		"database/creds/mysql-role": {"username": "v-app", "password": "canary-pw#;'"},
		"kv/data/x":                 {"data": map[string]any{"n": "5", "list": []any{"a", "b"}}},
		"kv/next":                   {"path": "kv/data/x"},
	}
	for _, c := range []struct{ name, text, want string }{
		{"seed", seedTemplate, "\n[DATABASE]\nMYSQL_DB = notes_webapp\nMYSQL_USER = v-app\nMYSQL_PASSWORD = canary-pw#;'\n\n"},
		{"plain", "no action", "no action"},
		{"missing key", `{{ with secret "kv/data/x" }}{{ .Data.data.none }}{{ end }}`, "<no value>"},
		{"chain", `{{ with secret "kv/next" }}{{ with secret .Data.path }}{{ .Data.data.n }}{{ end }}{{ end }}`, "5"},
		{"env", `{{ env "A" }}{{ envOrDefault "B" "b" }}{{ env "none" }}`, "avb"},
		{"json", `{{ with secret "kv/data/x" }}{{ .Data.data.list | toJSON }}{{ end }}`, `["a","b"]`},
		{"strings", `{{ "a,b" | split "," | join "-" }}{{ "x" | toUpper }}{{ "aGk=" | base64Decode }}`, "a-bXhi"},
		{"list", `{{ range secrets "kv/next" }}{{ . }};{{ end }}`, "a;b;"},
		{"no argument", `{{ secret }}`, "<no value>"},
		{"lease id", `{{ with secret "kv/next" }}{{ .LeaseID }}{{ end }}`, "l/kv/next"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tm, err := Parse(Spec{Name: c.name, Text: c.text, Env: func(n string) (string, bool) {
				if n == "A" {
					return "av", true
				}
				return "", false
			}})
			if err != nil {
				t.Fatal(err)
			}
			res, err := tm.Execute(data)
			if err != nil || len(res.Missing) > 0 {
				t.Fatalf("err %v, missing %v", err, res.Missing)
			}
			if string(res.Content) != c.want {
				t.Errorf("got %q, want %q", res.Content, c.want)
			}
		})
	}
}

// An empty View names what is missing, and unguarded access is no error then.
func TestMissing(t *testing.T) {
	tm, err := Parse(Spec{Name: "x", ErrorOnMissingKey: true, Text: `{{ with secret "a" }}{{ .Data.x }}{{ end }}{{ (secret "/b/").Data.y }}{{ secret "c" "k=v" }}`})
	if err != nil {
		t.Fatal(err)
	}
	res, err := tm.Execute(view{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []vault.Request{read("a"), read("b")}; !slices.Equal(res.Missing, want) {
		t.Errorf("missing %v, want %v", res.Missing, want)
	}
	if res.Content != nil {
		t.Errorf("content %q of an incomplete execution", res.Content)
	}
}

// Only reads that are made whatever the data says are constant.
func TestConstant(t *testing.T) {
	tm, err := Parse(Spec{Name: "x", Text: `{{ with secret "a" }}{{ with secret "a/inner" }}{{ end }}{{ end }}
{{ if env "X" }}{{ with secret "conditional" }}{{ end }}{{ end }}
{{ range secrets "kv" }}{{ secret "in-range" }}{{ end }}
{{ (secret "chain").Data.x }}{{ secret "write" "k=v" }}{{ secret (printf "%s" "computed") }}
{{ or (secret "perhaps") "x" }}{{ with secret "b" }}{{ else }}{{ secret "else" }}{{ end }}
{{ define "part" }}{{ secret "defined" }}{{ end }}`})
	if err != nil {
		t.Fatal(err)
	}
	want := []vault.Request{read("a"), read("a/inner"), read("chain"), read("b")}
	if got := tm.Constant(); !slices.Equal(got, want) {
		t.Errorf("constant %v, want %v", got, want)
	}
	lines := map[string]int{}
	for _, c := range tm.Calls() {
		lines[c.Request.Path] = c.Line
	}
	if lines["a"] != 1 || lines["conditional"] != 2 || lines["in-range"] != 3 || lines["else"] != 5 || lines["defined"] != 6 {
		t.Errorf("lines %v", lines)
	}
}

func TestErrorsShowThePlace(t *testing.T) {
	for _, c := range []struct {
		text, detail string
		line         int
	}{
		{"a\n{{ secrit \"x\" }}", `there is no function "secrit"; did you mean "secret"?`, 2},
		{"{{ if }}", "missing value for if", 1},
		{"\n\n  {{ with secret \"kv\" }}{{ .Data.nokey }}{{ end }}", `no entry for key "nokey"`, 3},
		{"{{ secret \"a\" \"novalue\" }}", `no "="`, 1},
		{"\n{{ with secret \"kv\" }}{{ .Data.pw | parseInt }}{{ end }}", "parseInt: the value is not of that form", 2},
		{"{{ with secret \"kv\" }}{{ index .Data.pw .Data.pw }}{{ end }}", "cannot index slice/array", 1},
	} {
		tm, err := Parse(Spec{Name: "db", Text: c.text, ErrorOnMissingKey: true})
		if err == nil {
			_, err = tm.Execute(view{"kv": {"pw": "canary-pw"}})
		}
		var te *Error
		if !errors.As(err, &te) {
			t.Errorf("%q: error %v", c.text, err)
			continue
		}
		if te.Line != c.line || !strings.Contains(te.Detail, c.detail) || te.Template != "db" {
			t.Errorf("%q: line %d, %v", c.text, te.Line, te)
		}
		if strings.Contains(err.Error(), "canary-") {
			t.Errorf("%q: a secret in the error: %v", c.text, err)
		}
	}
}

type failing struct{}

func (failing) Secret(vault.Request) (*vault.Secret, bool, error) {
	return nil, false, &vault.Error{Op: "read", Path: "kv/none", Class: vault.NotFound}
}

// A View's error is shown at the call that asked.
func TestViewErrorHasPlace(t *testing.T) {
	tm, err := Parse(Spec{Name: "db", Text: "\n\n{{ with secret (printf \"kv/%s\" \"none\") }}{{ end }}"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = tm.Execute(failing{})
	var te *Error
	if !errors.As(err, &te) || te.Line != 3 || vault.ClassOf(err) != vault.NotFound {
		t.Fatalf("%#v", err)
	}
	if want := `template "db": line 3: read kv/none: not found`; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestOutputIsBounded(t *testing.T) {
	tm, err := Parse(Spec{Name: "big", Text: strings.Repeat("x", 100), MaxOutput: 99})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tm.Execute(view{}); err == nil || !strings.Contains(err.Error(), "larger than allowed") {
		t.Errorf("error %v", err)
	}
}

func TestTypesNeverPrintSecrets(t *testing.T) {
	s := vault.Secret{Data: vault.NewData(map[string]any{"k": "canary-data"}), Auth: &vault.Auth{ClientToken: vault.NewToken("canary-token")}}
	for _, f := range []string{"%v", "%+v", "%#v", "%s"} {
		nested := struct{ S *vault.Secret }{&s}
		if out := fmt.Sprintf(f, s) + fmt.Sprintf(f, *s.Auth) + fmt.Sprintf(f, nested) + fmt.Sprintf(f, &s); strings.Contains(out, "canary-") {
			t.Errorf("%s prints %s", f, out)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(seedTemplate)
	f.Add(`{{ (secret "b").Data.y }}`)
	f.Add(`{{ range loop 3 }}{{ end }}`)
	f.Fuzz(func(_ *testing.T, text string) {
		tm, err := Parse(Spec{Name: "f", Text: text, MaxOutput: 1 << 16})
		if err == nil {
			_ = tm.Constant()
		}
	})
}

// A denied function fails where it is called, and only there.
func TestDenylist(t *testing.T) {
	for _, c := range []struct{ deny, text, want string }{
		{"base64*", `{{ "x" | toUpper }}`, ""},
		{"base64*", `{{ base64Decode "eA==" }}`, "base64Decode is denied by function_denylist"},
		{"env", `{{ if false }}{{ env "HOME" }}{{ end }}`, ""},
		{"env", `{{ env "HOME" }}`, "the function env is denied"},
		{"secret", `{{ secret "a/b" }}`, "the function secret is denied"},
		{"[", `{{ env "HOME" }}`, ""},
	} {
		tm, err := Parse(Spec{Name: "t", Text: c.text, Denylist: []string{"nothing", c.deny}})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(tm.Constant()); n > 0 {
			t.Errorf("%s: %d secrets would be asked for", c.text, n)
		}
		_, err = tm.Execute(view{})
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.text, err, c.want)
		}
	}
}

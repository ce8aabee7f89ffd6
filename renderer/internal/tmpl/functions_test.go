package tmpl

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"vault-renderer/renderer/internal/vault"
)

// A function that is not there is an error when the template is read, at its
// line and column, with the name that was meant.
func TestUnknownFunctions(t *testing.T) {
	for _, c := range []struct {
		text, detail string
		line, col    int
	}{
		{"{{ secrit \"x\" }}", `there is no function "secrit"; did you mean "secret"?`, 1, 4},
		{"é\n  {{ 1 | base64decode }}", `"base64decode"; did you mean "base64Decode"?`, 2, 10},
		{"{{ if false }}\n{{ touper \"x\" }}{{ end }}", `did you mean "toUpper"?`, 2, 4},
		{"{{ upper \"x\" }}", `did you mean "sprig_upper"?`, 1, 4},
		{"{{ sprig_toyaml 1 }}", `did you mean "toYAML"?`, 1, 4},
		{"{{ wholly_other }}", `there is no function "wholly_other"`, 1, 4},
		{"{{ sprig_now }}", `functions that give another result each time are left out`, 1, 4},
		{"{{ key \"x\" }}", `this program talks to Vault, not to Consul: it has no function "key"`, 1, 4},
		{"x\n{{ range service \"web\" }}{{ end }}", `not to Consul: it has no function "service"`, 2, 10},
		{"{{ with nomadVar \"x\" }}{{ end }}", `not to Nomad: it has no function "nomadVar"`, 1, 9},
		{"{{ define \"a\" }}{{ x1 }}{{ end }}{{ x2 }}", `"x1"`, 1, 20},
		{"{{ (x1).y }}", `"x1"`, 1, 5},
		{"{{ template \"a\" x1 }}{{ define \"a\" }}{{ end }}", `"x1"`, 1, 17},
		{"{{ range 3 }}{{ else }}{{ x1 }}{{ end }}", `"x1"`, 1, 27},
		{"{{ internalTick }}", `"internalTick"`, 1, 4},
	} {
		_, err := Parse(Spec{Name: "t", Text: c.text})
		var te *Error
		if !errors.As(err, &te) || !strings.Contains(te.Detail, c.detail) || te.Line != c.line || te.Col != c.col {
			t.Errorf("%q: %v at %+v, want %q at %d:%d", c.text, err, te, c.detail, c.line, c.col)
		}
	}
}

// Every function of consul-template is either there or refused in words.
func TestEveryNameIsKnown(t *testing.T) {
	for _, n := range slices.Concat(consul[:], nomad[:]) {
		if known(n) {
			t.Errorf("%s is there and refused", n)
		}
	}
	names := allNames()
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		if _, err := Parse(Spec{Name: "t", Text: "{{ if false }}{{ " + n + " }}{{ end }}"}); err != nil {
			t.Error(err)
		}
	}
	if n := len(sprigNames()); n != 194 {
		t.Errorf("%d sprig functions", n)
	}
}

// Side files are asked for once everything is there, and not before.
func TestWritesWait(t *testing.T) {
	tm, err := Parse(Spec{Name: "t", Text: `{{ "a" | writeToFile "/f" "u" "g" "0640" "append,newline" }}{{ secret "kv/x" }}{{ if (secret "kv/y") }}{{ parseInt "x" }}{{ end }}`})
	if err != nil {
		t.Fatal(err)
	}
	if res, err := tm.Execute(view{}); err != nil || res.Writes != nil || len(res.Missing) != 2 {
		t.Errorf("%+v, %v", res, err)
	}
	if res, err := tm.Execute(view{"kv/x": {}, "kv/y": {}}); err == nil || res.Writes != nil {
		t.Errorf("%+v, %v", res, err)
	}
	ok, err := Parse(Spec{Name: "t", Text: `{{ "a" | writeToFile "/f" "u" "g" "0640" "append,newline" }}`})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		res, err := ok.Execute(view{})
		if err != nil || len(res.Writes) != 1 {
			t.Fatalf("%+v, %v", res, err)
		}
		w := res.Writes[0]
		if w.Path != "/f" || w.User != "u" || w.Group != "g" || w.Perms != 0o640 || !w.Append || string(w.Content) != "a\n" {
			t.Errorf("%+v", w)
		}
	}
}

// What a template does to a secret's values stays with it.
func TestSecretsAreNotChanged(t *testing.T) {
	for _, text := range []string{
		`{{ $m := (secret "kv").Data.m }}{{ $x := sprig_set $m "k" "changed" }}{{ $x.k }}`,
		`{{ $x := sprig_unset (secret "kv").Data.m "k" }}changed`,
		`{{ (mergeMapWithOverride (secret "kv").Data.m (sprig_dict "k" "changed")).k }}`,
		`{{ scratch.Set "m" (secret "kv").Data.m }}{{ scratch.MapSet "m" "k" "changed" }}{{ (secret "kv").Data.m.k }}`,
		`{{ $x := explodeMap (sprig_dict "a" (secret "kv").Data.m "a/k" "changed") }}{{ $x.a.k }}`,
	} {
		v := view{"kv": {"m": map[string]any{"k": "canary-original"}, "l": []any{"a", map[string]any{}}}}
		tm, err := Parse(Spec{Name: "t", Text: text})
		if err != nil {
			t.Fatal(err)
		}
		res, err := tm.Execute(v)
		if err != nil || string(res.Content) != "changed" {
			t.Errorf("%s: %q, %v", text, res.Content, err)
		}
		if m, _ := v["kv"]["m"].(map[string]any); m["k"] != "canary-original" {
			t.Errorf("%s: changed the secret: %v", text, m)
		}
	}
}

// What is asked for is named exactly: watchers and their leases are counted by
// it.
func TestRequests(t *testing.T) {
	for text, want := range map[string]vault.Request{
		`{{ secret " /a/b/ " }}`:                 {Method: "read", Path: "a/b"},
		`{{ secret "a%20b/c#d" }}`:               {Method: "read", Path: "a b/c"},
		`{{ secret "a?z=1&version=2" }}`:         {Method: "read", Path: "a?version=2&z=1"},
		`{{ secret "a" "" }}`:                    {Method: "write", Path: "a", Params: `{}`},
		`{{ secret "a?x=1" "k=v=w" " b = c " }}`: {Method: "write", Path: "a?x=1", Params: `{"b":"c","k":"v=w"}`},
		`{{ secrets "/kv/" }}`:                   {Method: "list", Path: "kv"},
		`{{ file " /etc/x " }}`:                  {Method: "file", Path: "/etc/x"},
		`{{ pkiCert "/pki/issue/a/" "ttl=1h" }}`: {Method: "pki", Path: "pki/issue/a", Params: `{"_destination":"/d/cert.pem","ttl":"1h"}`},
	} {
		tm, err := Parse(Spec{Name: "t", Text: text, Destination: "/d/cert.pem"})
		if err != nil {
			t.Fatal(err)
		}
		res, err := tm.Execute(view{})
		if err != nil || len(res.Missing) != 1 || res.Missing[0] != want {
			t.Errorf("%s: asked for %+v, %v", text, res.Missing, err)
		}
		if c := tm.Calls(); len(c) != 1 || c[0].Request != want || !c[0].Certain {
			t.Errorf("%s: calls %+v", text, c)
		}
	}
	_, err := executeFor(`{{ pkiCert "p" "_destination=x" }}`)
	if err == nil || !strings.Contains(err.Error(), "reserved") {
		t.Errorf("error %v", err)
	}
}

// A template meets one value of a secret in all its parts, and asks once.
func TestOneValueInOneExecution(t *testing.T) {
	asked := 0
	tm, err := Parse(Spec{Name: "t", Text: `{{ range loop 5 }}{{ (secret "kv").Data.n }} {{ end }}`})
	if err != nil {
		t.Fatal(err)
	}
	res, err := tm.Execute(viewFunc(func(vault.Request) (*vault.Secret, bool, error) {
		asked++
		return &vault.Secret{Data: vault.NewData(map[string]any{"n": asked})}, true, nil
	}))
	if err != nil || string(res.Content) != "1 1 1 1 1 " || asked != 1 {
		t.Errorf("%q, asked %d times, %v", res.Content, asked, err)
	}
}

type viewFunc func(vault.Request) (*vault.Secret, bool, error)

func (f viewFunc) Secret(r vault.Request) (*vault.Secret, bool, error) { return f(r) }

// Programs run only where the caller has them run; debugging prints only where
// the caller wants it.
func TestPluginAndDebug(t *testing.T) {
	tm, err := Parse(Spec{Name: "t", Text: `{{ plugin "echo" "x" }}`})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tm.Execute(view{}); err == nil || !strings.Contains(err.Error(), "programs are not run here") {
		t.Errorf("error %v", err)
	}
	var out strings.Builder
	tm, err = Parse(Spec{Name: "t", Text: `a{{ spew_dump 5 }}{{ spew_printf "%d" 6 }}b`, Debug: &out})
	if err != nil {
		t.Fatal(err)
	}
	res, err := tm.Execute(view{})
	if err != nil || string(res.Content) != "ab" || out.String() != "(int) 5\n6" {
		t.Errorf("%q, %q, %v", res.Content, out.String(), err)
	}
}

// The page for people names every function.
func TestFunctionsAreDocumented(t *testing.T) {
	raw, err := os.ReadFile("../../../docs/template-functions.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range allNames() {
		if slices.ContainsFunc(quoting[:], func(q quoter) bool { return q.name == n }) {
			continue // templates/README.md
		}
		if page := string(raw); !strings.Contains(page, "`"+n+"`") && !strings.Contains(page, "`"+n+" ") {
			t.Errorf("%s is not on the page", n)
		}
	}
}

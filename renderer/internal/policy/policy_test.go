package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"vault-renderer/renderer/internal/tmpl"
	"vault-renderer/renderer/internal/vault"
)

func needs(t *testing.T, text string) []Need {
	t.Helper()
	out, err := Needs(Source{Name: "x", Text: text, Place: func(line int) string { return fmt.Sprintf("x.tmpl:%d", line) }})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestNeeds(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{{ secret "/secret/app/ " }}`, "read secret/app"},
		{`{{ secret "secret/app?version=2" }}`, "read secret/app"},
		{`{{ secret "secret/a%20b" }}`, "read secret/a b"},
		{`{{ "secret/app" | secret }}`, "read secret/app"},
		{`{{ secrets "secret/apps/" }}`, "list secret/apps"},
		{`{{ secret "transit/encrypt/k" "plaintext=x" }}`, "write transit/encrypt/k"},
		{`{{ "plaintext=x" | secret "transit/encrypt/k" }}`, "write transit/encrypt/k"},
		{`{{ with pkiCert "pki/issue/web" "common_name=x" }}{{ .Cert }}{{ end }}`, "pki pki/issue/web"},
		{`{{ if env "X" }}{{ else }}{{ range secrets "a" }}{{ secret "b" }}{{ end }}{{ end }}`, "list a;read b"},
		{`{{ define "p" }}{{ secret "in/define" }}{{ end }}{{ template "p" }}`, "read in/define"},
		{`{{ (secret "a/b").Data.x }}{{ or (secret "c/d") 1 }}`, "read a/b;read c/d"},
		{`{{ secret (printf "secret/%s" "app") }}`, "read secret/app"},
		{`{{ secret (printf "secret/%s/%d" (print "a" "b") 3) }}`, "read secret/ab/3"},
		{`{{ $p := "secret/app" }}{{ secret $p }}`, "read secret/app"},
		{`{{ $p := "secret" }}{{ secret (print $p "/" .x) }}`, `read secret/ <- print $p "/" .x`},
		{`{{ $p := "a/b" }}{{ $p = "c/d" }}{{ secret $p }}`, "read  <- $p"},
		{`{{ range $p := secrets "a" }}{{ secret $p }}{{ end }}`, "list a;read  <- $p"},
		{`{{ secret (printf "secret/%s" .x) }}`, `read secret/ <- printf "secret/%s" .x`},
		{`{{ printf "secret/%s/db" .x | secret }}`, `read secret/ <- printf "secret/%s/db" .x`},
		{`{{ .x | printf "secret/%s" | secret }}`, `read secret/ <- .x | printf "secret/%s"`},
		{`{{ secret (printf "secret/app?version=%s" .v) }}`, "read secret/app"},
		{`{{ secret (printf "%5s" "x") }}`, `read  <- printf "%5s" "x"`},
		{`{{ secret .x }}`, "read  <- .x"},
		{`{{ secret }}{{ secret "" }}{{ secrets "" }}`, ""},
		{`{{/* secret "a" */}}{{ print "secret" }}`, ""},
	} {
		var got []string
		for _, n := range needs(t, c.text) {
			s := n.Method + " " + n.Path
			if n.Computed != "" {
				s += " <- " + n.Computed
			}
			got = append(got, s)
		}
		if strings.Join(got, ";") != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.text, got, c.want)
		}
	}
}

func TestNeedsHaveTheirPlace(t *testing.T) {
	got := needs(t, "a\n{{ secret \"a/b\" }}\n\n{{ secret\n  \"c/d\" }}")
	if got[0].Place != "x.tmpl:2" || got[1].Place != "x.tmpl:4" {
		t.Errorf("%+v", got)
	}
	if _, err := Needs(Source{Text: "{{ if }}"}); err == nil {
		t.Error("no error")
	}
}

// What package tmpl will ask for when it runs is needed.
func TestNothingConstantIsForgotten(t *testing.T) {
	text := `{{ with secret "a/b" }}{{ secret "a/b/c?version=1" }}{{ end }}{{ if 1 }}{{ secrets "l/m/" }}{{ end }}
{{ range secrets "r/s" }}{{ secret "w/x" "k=v" "l=w" }}{{ end }}{{ pkiCert "pki/issue/y" "common_name=z" }}{{ secret "/p%20q/r/" }}
{{ define "d" }}{{ secret "d/e" }}{{ end }}`
	tm, err := tmpl.Parse(tmpl.Spec{Name: "x", Text: text})
	if err != nil {
		t.Fatal(err)
	}
	got := needs(t, text)
	for _, c := range tm.Calls() {
		path, _, _ := strings.Cut(c.Request.Path, "?")
		at := fmt.Sprintf("x.tmpl:%d", c.Line)
		if !slices.ContainsFunc(got, func(n Need) bool { return n.Method == c.Request.Method && n.Path == path && n.Place == at }) {
			t.Errorf("%+v is not among %+v", c, got)
		}
	}
	if len(got) != len(tm.Calls()) {
		t.Errorf("%d needs, %d calls", len(got), len(tm.Calls()))
	}
}

func nobody(string) (vault.Mount, bool) { return vault.Mount{}, false }

func v2(path string) (vault.Mount, bool) {
	if strings.HasPrefix(path, "kv/") {
		return vault.Mount{Path: "kv/", Type: "kv", V2: true}, true
	}
	return vault.Mount{Path: "db/", Type: "database"}, true
}

func TestRules(t *testing.T) {
	for _, c := range []struct {
		text   string
		mounts Mounts
		want   string
	}{
		{`{{ secret "kv/app" }}`, v2, `kv/data/app[read]`},
		{`{{ secret "kv/data/app" }}`, v2, `kv/data/app[read]`},
		{`{{ secret "db/creds/app" }}`, v2, `db/creds/app[read]`},
		{`{{ secrets "kv/apps" }}`, v2, `kv/metadata/apps[list]`},
		{`{{ secret "kv/app" "k=v" }}{{ secret "kv/app" }}`, v2, `kv/data/app[create read update]`},
		{`{{ secret "db/rotate" "k=v" }}`, v2, `db/rotate[update]`},
		{`{{ secret (print "kv/" .x) }}`, v2, `kv/data/*[read]`},
		{`{{ secret (print "kv/app-" .x) }}`, v2, `kv/data/app-*[read]`},
		{`{{ secrets (print "kv/" .x) }}`, v2, `kv/metadata/*[list]`},
		{`{{ secret "kv/app" }}`, nobody, `kv/app[read] kv/data/app[read]`},
		{`{{ secret "kv/data/app" }}`, nobody, `kv/data/app[read]`},
		{`{{ secrets "kv" }}`, nobody, `kv[list] kv/metadata[list]`},
		{`{{ secrets "kv/apps" }}`, nobody, `kv/apps[list] kv/metadata/apps[list]`},
		{`{{ secret (print "kv/" .x) }}`, nobody, `kv/*[read] kv/data/*[read]`},
		{`{{ secret (print "kv" .x) }}`, nobody, `kv*[read]`},
		{`{{ secret "auth/token/lookup-self" }}`, nobody, `auth/token/lookup-self[read]`},
		{`{{ secret "kv/app" "k=v" }}`, nobody, `kv/app[create update] kv/data/app[create update]`},
		{`{{ pkiCert "pki/issue/x" "common_name=y" }}`, nobody, `pki/issue/x[update]`},
		{`{{ secret .x }}`, nobody, ``},
		{`{{ secret "kv/app/a" }}{{ secret (print "kv/" .x) "k=v" }}`, v2, `kv/data/*[create update] kv/data/app/a[create read update]`},
		{`{{ secret (print "kv/app" .x) }}{{ secret (print "kv/" .x) "k=v" }}`, v2, `kv/data/*[create update] kv/data/app*[create read update]`},
	} {
		rules, _ := Rules(needs(t, c.text), c.mounts)
		var got []string
		for _, r := range rules {
			got = append(got, fmt.Sprintf("%s%v", r.Path, r.Capabilities))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.text, got, c.want)
		}
	}
}

func TestWrite(t *testing.T) {
	rules, unknown := Rules(needs(t, "{{ secret \"db/creds/app\" }}\n{{ secret (printf \"kv/%s\" .x) }}\n{{ secret .y }}{{ secret \"db/creds/app\" }}"), v2)
	var out strings.Builder
	if err := Write(&out, rules, unknown); err != nil {
		t.Fatal(err)
	}
	want := head + `
# x.tmpl:1, template "x"
# x.tmpl:3, template "x"
path "db/creds/app" { capabilities = ["read"] }

# x.tmpl:2, template "x": the path is computed: printf "kv/%s" .x
path "kv/data/*" { capabilities = ["read"] }

# x.tmpl:3, template "x": the path is computed: .y
# No rule: nothing is known of the path but what it is computed from. Add one.
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// A path that one call needs for certain is not in doubt for another.
func TestCertainAndUncertain(t *testing.T) {
	rules, _ := Rules(needs(t, `{{ secret "kv/app" }}{{ secret "kv/data/app" }}`), nobody)
	if len(rules) != 2 || len(rules[0].Either) != 1 || len(rules[1].Either) != 0 {
		t.Errorf("%+v", rules)
	}
}

func TestCheck(t *testing.T) {
	all := needs(t, "{{ secret \"kv/app\" }}\n{{ secrets \"kv/apps\" }}\n{{ secret \"kv/app\" \"k=v\" }}\n{{ secret .x }}")
	if got := Asked(all, v2); !slices.Equal(got, []string{"kv/data/app", "kv/data/app/", "kv/metadata/apps", "kv/metadata/apps/"}) {
		t.Errorf("asked %q", got)
	}
	missing := Check(all, v2, map[string][]string{"kv/data/app": {"read", "update"}, "kv/metadata/apps/": {"list"}})
	if len(missing) != 1 || missing[0].Need.Place != "x.tmpl:3" {
		t.Fatalf("%v", missing)
	}
	if want := `template "x": x.tmpl:3: the token may not write to kv/app; the policy needs path "kv/data/app" { capabilities = ["create", "update"] }`; missing[0].Error() != want {
		t.Errorf("got %s", missing[0])
	}
	if missing := Check(all, v2, map[string][]string{"kv/data/app": {"root"}, "kv/metadata/apps": {"root"}}); len(missing) > 0 {
		t.Errorf("root: %v", missing)
	}
	// One of two spellings is enough.
	if missing := Check(all[:1], nobody, map[string][]string{"kv/data/app": {"read"}}); len(missing) > 0 {
		t.Errorf("unknown mount: %v", missing)
	}
	if missing := Check(all[:1], nobody, nil); len(missing) != 1 || !strings.Contains(missing[0].Error(), `} or path "kv/data/app"`) {
		t.Errorf("unknown mount: %v", missing)
	}
}

func FuzzNeeds(f *testing.F) {
	f.Add(`{{ $p := "a" }}{{ secret (printf "%s/%s" $p .x) }}{{ define "d" }}{{ "x" | secrets }}{{ end }}`)
	f.Add(`{{ range $i, $p := secrets "a" }}{{ with secret $p "k=v" }}{{ else }}{{ break }}{{ end }}{{ end }}`)
	f.Fuzz(func(_ *testing.T, text string) {
		out, err := Needs(Source{Text: text, Place: func(int) string { return "" }})
		if err == nil {
			Rules(out, nobody)
		}
	})
}

package config

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// walk calls f for every key, with the source that stands before and behind it.
func walk(sec *Section, before, behind string, f func(k Key, sec *Section, before, behind string)) {
	for _, k := range sec.Keys {
		f(k, sec, before, behind)
		if k.Section == nil || k.Support != Supported {
			continue
		}
		label := map[string]string{
			"method": ` "approle"`, "sink": ` "file"`, "sinks": ` "file"`, "listener": ` "tcp"`, "persist": ` "kubernetes"`, "env_template": ` "A"`, "rollout": ` "x"`, "socket": ` "x"`,
		}[k.Name]
		walk(k.Section, before+k.Name+label+" {\n", "\n}"+behind, f)
		for _, v := range k.Section.Variants {
			walk(v, strings.Replace(before, "approle", v.Name, 1)+k.Name+" {\n", "\n}"+behind, f)
		}
	}
}

func TestSchema(t *testing.T) {
	walk(Schema(), "", "", func(k Key, sec *Section, _, _ string) {
		where := sec.Name + "." + k.Name
		if k.Doc == "" && k.Support != Silent {
			t.Errorf("%s: no words for people", where)
		}
		if k.Doc != "" && !strings.HasSuffix(k.Doc, ".") {
			t.Errorf("%s: not a sentence: %s", where, k.Doc)
		}
		if k.Kind == Block && k.Section == nil && k.Support == Supported {
			t.Errorf("%s: a block of nothing", where)
		}
		n := 0
		for _, o := range sec.Keys {
			if o.Name == k.Name {
				n++
			}
		}
		if n != 1 || k.Name != strings.ToLower(k.Name) {
			t.Errorf("%s: named %d times", where, n)
		}
	})
}

// TestNoValueIsPrinted gives every key a secret in several wrong ways, on lines
// that no diagnostic shows, and wants to see it nowhere. (Only the path in
// source is repeated, if its line is shown.)
func TestNoValueIsPrinted(t *testing.T) {
	values := []string{
		"<<EOT\ncanary-1\nEOT\n", "[<<EOT\ncanary-2\nEOT\n, 5]", "[\n\"canary-3\"]", "{\n a =\n\"canary-4\" }",
		"[\n{ a =\n\"canary-5\" }]", "\n\"canary-6\"", "[\n\"canary-7\",\n5 \"canary-8\"", "\n canary-9",
	}
	walk(Schema(), "", "", func(k Key, _ *Section, before, behind string) {
		for i, v := range values {
			src := fmt.Sprintf("%s%s = %s%s\n# the end\n", before, k.Name, v, behind)
			c, diags := build([]input{{"x.hcl", []byte(src)}}, settings{getenv: os.Getenv})
			for _, d := range diags {
				if out := d.Summary + d.Detail; strings.Contains(out, "canary-") && !namesFile(k.Name) {
					t.Errorf("%s:\n%s", src, text(t, c.Files, diags))
				}
				if i < 5 && strings.Contains(c.line(d.Subject.Start.Line), "canary-") {
					t.Errorf("%s: line %d is shown:\n%s", src, d.Subject.Start.Line, text(t, c.Files, diags))
				}
			}
		}
	})
}

// namesFile holds for the keys whose path is repeated, if its line is shown.
func namesFile(key string) bool {
	return key == "source" || key == "tls_cert_file" || key == "tls_key_file"
}

func (c *Config) line(n int) string {
	return strings.Split(string(c.Files["x.hcl"].Bytes), "\n")[n-1]
}

func TestDidYouMean(t *testing.T) {
	known := []string{"source", "destination", "perms", "user"}
	for name, want := range map[string]string{
		"suorce": "source", "DESTINATION": "destination", "prms": "perms", "usr": "user",
		"used": "user", "contents": "", "x": "", "host": "",
	} {
		got := didYouMean(name, known)
		if want != "" {
			want = fmt.Sprintf(" Did you mean %q?", want)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// The lists that are written out for speed say what the schema says.
func TestListsOfTheSchema(t *testing.T) {
	var names []string
	for _, c := range methodConfigs() {
		names = append(names, c.Name)
		for _, k := range c.Keys {
			if k.Secret != slices.Contains(secretKeys(), k.Name) {
				t.Errorf("%s.%s: secret %v, but not so in secretKeys", c.Name, k.Name, k.Secret)
			}
		}
	}
	slices.Sort(names)
	have := methodNames()
	slices.Sort(have)
	if !slices.Equal(names, have) {
		t.Errorf("methods %v, names %v", names, have)
	}
}

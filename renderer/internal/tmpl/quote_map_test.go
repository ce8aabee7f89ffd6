package tmpl

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/magiconair/properties"
	"gopkg.in/ini.v1"
	"pgregory.net/rapid"
)

func TestToINI(t *testing.T) {
	in := map[string]any{
		"top": 1, "empty": "",
		"b": map[string]any{"z": "a#b", "a": `q"`},
		"a": map[any]any{"k": true},
		"c": map[string]string{"only": "x"},
	}
	got, err := toINI(in)
	want := "empty =\ntop = 1\n[a]\nk = true\n[b]\na = q\"\nz = a#b\n[c]\nonly = x"
	if got != want || err != nil {
		t.Errorf("%v\n%s", err, got)
	}
	if got, err = toINI(iniV1, map[string]any{"k": "a#b"}); got != "k = `a#b`" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got, err = toINI(iniPython, map[string]any{"s": map[string]any{"k": "a%b"}}); got != "[s]\nk = a%%b" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestToINIRefuses(t *testing.T) {
	for _, c := range []struct {
		args []any
		want string
	}{
		{[]any{nil}, errNoValue.Error()},
		{[]any{"canary"}, "a map is needed, not string"},
		{[]any{"yaml", map[string]any{}}, `the reader must be "literal", "ini.v1" or "configparser"`},
		{[]any{}, "a value, or a reader and a value, not 0 arguments"},
		{[]any{map[int]string{1: "canary"}}, "the map has a key that is no text"},
		{[]any{map[string]any{"a=b": "canary"}}, `key "a=b": ` + errININame.Error()},
		{[]any{map[string]any{"a]": map[string]any{}}}, `key "a]": ` + errININame.Error()},
		{[]any{map[string]any{"s": map[string]any{"k": "canary\n"}}}, `key "s": key "k": ` + errNewline.Error()},
		{[]any{map[string]any{"s": map[string]any{"t": map[string]any{}}}}, `key "s": key "t": ` + errDeep.Error()},
		{[]any{map[string]any{"k": []any{"canary"}}}, `key "k": a text or a number is needed, not []interface {}`},
		{[]any{map[string]any{"k": nil}}, `key "k": ` + errNoValue.Error()},
		{[]any{iniPython, map[string]any{"k": "canary"}}, errNoPlace.Error()},
		{[]any{iniPython, map[string]any{"s": map[string]any{"k": 1, "K": 2}}}, `key "s": key "k": ` + errFolded.Error()},
	} {
		if got, err := toINI(c.args...); err == nil || err.Error() != c.want {
			t.Errorf("%v: %q, %v; want %s", c.args, got, err, c.want)
		}
	}
}

func TestToINIReads(t *testing.T) {
	name := rapid.StringMatching(`[a-zA-Z_][a-zA-Z0-9_./@+-]{0,8}`)
	rapid.Check(t, func(t *rapid.T) {
		values := nasty().Filter(func(s string) bool { return !noIniV1(s) })
		top := rapid.MapOfN(name, values, 0, 4).Draw(t, "top")
		section := rapid.MapOfN(name, values, 0, 4).Draw(t, "section")
		in := map[string]any{"a section": section}
		for k, v := range top {
			in[k] = v
		}
		written, err := toINI(iniV1, in)
		if err != nil {
			t.Fatal(err)
		}
		file, err := ini.Load([]byte(written))
		if err != nil {
			t.Fatalf("%v\n%s", err, written)
		}
		if diff := cmp.Diff(top, file.Section("").KeysHash()); diff != "" {
			t.Errorf("(-want +got)\n%s\n%s", diff, written)
		}
		if diff := cmp.Diff(section, file.Section("a section").KeysHash()); diff != "" {
			t.Errorf("(-want +got)\n%s\n%s", diff, written)
		}
	})
}

func TestToProperties(t *testing.T) {
	in := map[string]any{"spring": map[string]any{"datasource": map[string]any{"password": " #a=b: ", "url": "é"}}, "a b": "x\ny", "#k": 1}
	got, err := toProperties(in)
	want := `\#k=1` + "\n" + `a\u0020b=x\ny` + "\n" + `spring.datasource.password=\u0020\#a\=b\:\u0020` + "\n" + `spring.datasource.url=\u00E9`
	if got != want || err != nil {
		t.Errorf("%v\n%s", err, got)
	}
	loop := map[string]any{}
	loop["k"] = loop
	for want, in := range map[string]any{
		"a map is needed, not []string":                         []string{"canary"},
		`key "a.b": it is there twice`:                          map[string]any{"a.b": 1, "a": map[string]any{"b": 2}},
		`key "a": ` + errNoUTF8.Error():                         map[string]any{"a": "\xff"},
		"maps in maps more than 64 deep":                        loop,
		`key "a": there is no value: the secret lacks this key`: map[string]any{"a": nil},
	} {
		if _, err := toProperties(in); err == nil || err.Error() != want {
			t.Errorf("%v; want %s", err, want)
		}
	}
}

func TestToPropertiesReads(t *testing.T) {
	text := nasty().Filter(func(s string) bool {
		return !noText(s) && !strings.ContainsFunc(s, func(r rune) bool { return r > 0xffff }) // magiconair knows no surrogates
	})
	keys := text.Filter(func(s string) bool { return s != "" })
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.MapOfN(keys, text, 0, 5).Draw(t, "map")
		written, err := toProperties(want)
		if err != nil {
			t.Fatal(err)
		}
		l := properties.Loader{Encoding: properties.ISO_8859_1, DisableExpansion: true}
		p, err := l.LoadBytes([]byte(written))
		if err != nil {
			t.Fatalf("%v\n%s", err, written)
		}
		if diff := cmp.Diff(want, p.Map()); diff != "" {
			t.Errorf("(-want +got)\n%s\n%s", diff, written)
		}
	})
}

// TestQuotingIsDocumented: the table for people is the table of the program.
func TestQuotingIsDocumented(t *testing.T) {
	var b strings.Builder
	b.WriteString("| function | arguments | writes, for which reader |\n|---|---|---|\n")
	for i := range quoting {
		q := &quoting[i]
		b.WriteString("| `" + q.name + "` | `" + q.args + "` | " + q.reader + " |\n")
		if i > 0 && quoting[i-1].name >= q.name {
			t.Errorf("%s is out of order", q.name)
		}
	}
	raw, err := os.ReadFile("../../../templates/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(raw), b.String()) {
		t.Errorf("templates/README.md lacks this table:\n%s", b.String())
	}
}

package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl"
)

// oracle is what HCL1 itself makes of a file: the values under each path, and
// whether it accepts it at all. It panics on some values.
func oracle(src []byte) (out map[string][]string, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, fmt.Errorf("panic: %v", r)
		}
	}()
	var v map[string]any
	if err := hcl.UnmarshalErrorOnDuplicates(src, &v); err != nil {
		return nil, err
	}
	out = map[string][]string{}
	flatten(out, "", v)
	return out, nil
}

func flatten(out map[string][]string, path string, v any) {
	switch x := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(x))
		for k := range x {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for _, k := range keys {
			flatten(out, path+"."+k, x[k])
		}
	case []map[string]any:
		for _, m := range x {
			flatten(out, path, m)
		}
	case []any:
		for _, e := range x {
			flatten(out, path, e)
		}
	default:
		out[path] = append(out[path], show(v))
	}
}

// show prints 1000 and 1e3 alike: no key tells them apart.
func show(v any) string {
	switch x := v.(type) {
	case int:
		return fmt.Sprintf("number %v", float64(x))
	case int64:
		return fmt.Sprintf("number %v", float64(x))
	case float64:
		return fmt.Sprintf("number %v", x)
	}
	return fmt.Sprintf("%T %#v", v, v)
}

// ours flattens what the adapter made of it the same way.
func ours(out map[string][]string, path string, b *body) {
	for _, it := range b.items {
		p := path + "." + it.name
		for _, l := range it.labels {
			p += "." + l
		}
		ourValue(out, p, it.val)
	}
}

func ourValue(out map[string][]string, path string, n *node) {
	switch {
	case n.obj != nil:
		ours(out, path, n.obj)
	case n.list:
		for _, e := range n.elems {
			ourValue(out, path, e)
		}
	default:
		out[path] = append(out[path], show(plain(n.scalar)))
	}
}

// compare reports in what way the adapter and HCL1 disagree about src. What
// HCL1 parses and yet cannot put into one map (a block with and without label,
// say) is no disagreement.
func compare(name string, src []byte) string {
	want, err := oracle(src)
	_, b, diags := parse(input{name, src}, false)
	switch {
	case err != nil && !diags.HasErrors() && strings.Contains(err.Error(), "root"):
		return ""
	case (err == nil) == diags.HasErrors():
		return fmt.Sprintf("HCL1 says %v, the adapter %v", err, diags)
	case err != nil:
		for _, d := range diags {
			if d.Subject == nil || d.Subject.Start.Line < 1 {
				return fmt.Sprintf("no line: %v", d)
			}
		}
		return ""
	}
	got := map[string][]string{}
	ours(got, "", b)
	return cmp.Diff(want, got)
}

// TestSnippets holds 100 small files against HCL1: accepted by it exactly if
// accepted here, and with the same values.
func TestSnippets(t *testing.T) {
	files, err := filepath.Glob("testdata/snippets/*.hcl")
	if err != nil || len(files) != 100 {
		t.Fatal(len(files), err)
	}
	files = append(files, "testdata/good/full.hcl", "testdata/good/seed.hcl", "testdata/good/seed-crlf.hcl")
	accepted := 0
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if d := compare(f, src); d != "" {
			t.Errorf("%s: %s", f, d)
		}
		if _, err := oracle(src); err == nil {
			accepted++
		}
	}
	if accepted < 70 {
		t.Errorf("HCL1 accepts only %d: is the oracle broken?", accepted)
	}
}

// FuzzHCL1 looks for files that HCL1 and the adapter read differently.
func FuzzHCL1(f *testing.F) {
	files, _ := filepath.Glob("testdata/snippets/*.hcl")
	for _, name := range files {
		src, _ := os.ReadFile(name)
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if s := bytes.TrimSpace(src); bytes.HasPrefix(s, []byte("{")) {
			return // JSON is read by rules of its own
		}
		if d := compare("fuzz.hcl", src); d != "" {
			t.Error(d)
		}
	})
}

// FuzzLoad wants a configuration or errors with a position, and no panic.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/snippets/*.hcl", "testdata/bad/*.hcl", "testdata/good/*.*"} {
		files, _ := filepath.Glob(pattern)
		for _, name := range files {
			if src, _ := os.ReadFile(name); len(src) < bigSeed {
				f.Add(src)
			}
		}
	}
	for _, s := range append(rolloutSeeds(), execSeeds()...) {
		f.Add([]byte(s))
	}
	f.Fuzz(loadAnything)
}

// rolloutSeeds are parts of what is too large to be a seed as a whole.
func rolloutSeeds() []string {
	return []string{
		"rollout \"a\" {\n check { command = [\"c\", \"{}\", \"{/x}\", \"{}}\"] }\n}\ntemplate {\n contents = \"x\"\n destination = \"/x\"\n rollout = \"a\"\n}",
		"rollout \"a\" {\n reload { url = \"unix:///s:/p\" }\n ack {\n command = \"test \\\"$1\\\"\"\n interval = 5\n }\n}\nlease { lookup_interval = \"off\" }",
		"rollout \"a\" { reload { process = \"p\" signal = \"hup\" timeout = \"x\" } }\non_exit = \"revoke\"\non_exit_timeout = 0.5\nstate_file = \"x/\"",
		"rollout \"a\" { ack { url = \"https://u:p@h/\" file = \"://@\" } }\nstatus {\n address = \"unix://\"\n mode = 0777\n}",
		`{"rollout": {"a": {"ack": {"url": "http://h:p"}}, "b": {}}, "template": [{"contents": "x", "destination": "/x", "rollout": "c"}], "lease": {"grace": 0}}`,
		`{"rollout": [{"a": [{"reload": [{"pid_file": ""}]}]}, {"ack": {}}, {"splay": 1}], "status": {"address": ":0"}, "lease": [{"lookup_interval": 0}]}`,
	}
}

// execSeeds are the same for the child process.
func execSeeds() []string {
	return []string{
		"env_template \"A\" { contents = \"x\" }\nenv_template \"1\" \"b\" { source = \"\" }\nexec { command = [\"x y\"] reload_signal = \"hup\" }",
		"exec {\n env {\n custom = [\"A=b\", [\"=\"]]\n pristine = true\n allowlist = [\"[\"]\n }\n vault_token = \"t\"\n max_restarts = -1\n}",
		"exec {\n restart_on_secret_changes = \"rolling\"\n ready { url = \"http://h:1/\" address = \"h:1\" }\n socket \"a\" { address = \"h:1\" mode = 9 }\n}",
		"exec { socket \"\" { network = \"unix\" address = \"@\" } socket { } ready { notify = true interval = 5 } }\nstate_file = \"@\"",
		`{"env_template": [{"A": {"contents": "x"}}, {"B": [{"contents": ""}]}], "exec": {"command": [1], "env": {"custom": {"A": "b"}}, "ready": {}}}`,
		`{"exec": [{"socket": {"a": {"address": ":0"}, "b": {}}}, {"kill_signal": "", "restart_stop_signal": null}], "rollout": {"r": {"reload": {"child": true}}}}`,
	}
}

// bigSeed keeps large files out of the fuzzing, which spends its time on making
// them smaller.
const bigSeed = 600

// FuzzJSON is FuzzLoad for files that are read as JSON. One mistake in the
// syntax is one diagnostic.
func FuzzJSON(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.hcl", "testdata/bad/*/*.json", "testdata/good/*.*"} {
		files, _ := filepath.Glob(pattern)
		for _, name := range files {
			if src, _ := os.ReadFile(name); len(src) < bigSeed && bytes.HasPrefix(bytes.TrimSpace(src), []byte("{")) {
				f.Add(src)
			}
		}
	}
	for _, s := range []string{
		`{"auto_auth": {"method": {"approle": {"config": {"role_id_file_path": "/r"}}}, "sinks": [{"sink": {"type": "file"}}]}}`,
		`{"listener": [{"tcp": {"address": "127.0.0.1:1"}}, {"unix": {"agent_api": {"enable_quit": true}}}], "telemetry": {"prefix_filter": ["+x"]}}`,
		`{"env_template": {"A": {"contents": "x"}, "B": {"wait": {"min": "1s"}}}, "exec": {"command": ["x"]}, "cache": {"persist": [{}]}}`,
		`{"vault": {"retry": null, "address": 1e400}, "template": [{"wait": "1s:2s", "perms": -0.5}, 5, null, [[]], {"a": {"b": {}}}]}`,
	} {
		f.Add([]byte(s))
	}
	for _, s := range append(rolloutSeeds(), execSeeds()...) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		src = append([]byte("{"), bytes.TrimPrefix(src, []byte("{"))...)
		if _, b, diags := parse(input{"fuzz.hcl", src}, false); len(b.items) == 0 && diags.HasErrors() && len(diags) > 1 {
			t.Errorf("%d diagnostics: %v", len(diags), diags)
		}
		loadAnything(t, src)
	})
}

func loadAnything(t *testing.T, src []byte) {
	c, diags := build([]input{{"fuzz.hcl", src}}, settings{getenv: os.Getenv})
	for _, d := range diags {
		if d.Subject == nil || d.Subject.Start.Line < 1 || d.Subject.Filename != "fuzz.hcl" ||
			d.Subject.Start.Byte > d.Subject.End.Byte || d.Subject.End.Byte > len(src)+1 {
			t.Fatalf("position of %v: %v", d, d.Subject)
		}
	}
	text(t, c.Files, diags)
	if !diags.HasErrors() && c.AutoAuth == nil {
		t.Error("neither configuration nor error")
	}
}

package formats

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vault-renderer/testbed/mariadb"
)

// sourced gives variables as a POSIX shell has them after reading the file.
func sourced(t *testing.T, file []byte, names ...string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	script := ". " + path
	for _, n := range names {
		script += `; printf '%s\0' "$` + n + `"`
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", script)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

func TestAppEnv(t *testing.T) {
	raw := newWorld(t).file(t, "app.env.tmpl")
	var names, want []string
	for k, v := range texts(application()) {
		names, want = append(names, strings.ToUpper(k)), append(want, v)
	}
	equal(t, want, sourced(t, raw, names...))
}

// TestDockerEnv: docker takes a line from the first "=" to its end.
func TestDockerEnv(t *testing.T) {
	equal(t, "API_TOKEN="+oneLine+"\n", string(newWorld(t).file(t, "docker.env.tmpl")))
}

// printDefaults is MariaDB's program that shows what its others read.
func printDefaults(t *testing.T) string {
	t.Helper()
	server, err := mariadb.Find()
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"", filepath.Dir(server), "/usr/bin", "/usr/local/bin"} {
		if path, err := exec.LookPath(filepath.Join(dir, "my_print_defaults")); err == nil {
			return path
		}
	}
	t.Fatal("there is no my_print_defaults next to " + server)
	return ""
}

// read gives what is behind each of the options, in their order.
func read(t *testing.T, file, group string, options []string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), printDefaults(t), "--defaults-file="+file, group).Output()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	rest := strings.TrimSuffix(string(out), "\n")
	for i, o := range options {
		var found bool
		if rest, found = strings.CutPrefix(rest, "--"+o+"="); !found {
			t.Fatalf("no --%s at %.60q", o, rest)
		}
		value := rest
		if i+1 < len(options) {
			if value, rest, found = strings.Cut(rest, "\n--"+options[i+1]+"="); !found {
				t.Fatalf("no --%s", options[i+1])
			}
			rest = "--" + options[i+1] + "=" + rest
		}
		got = append(got, value)
	}
	return got
}

func TestMyCnf(t *testing.T) {
	w := newWorld(t)
	w.file(t, "my.cnf.tmpl")
	got := read(t, filepath.Join(w.dir, "my.cnf"), "client", []string{"host", "port", "user", "password"})
	equal(t, []string{"db.example.com", "3306", user, password}, got)
}

// TestMyCnfManyValues: 600 values in one file, through the program that reads it.
func TestMyCnfManyValues(t *testing.T) {
	w := newWorld(t)
	pieces := []string{"#", ";", "'", `"`, `\`, `\n`, `\s`, "\n", "\r", "\t", " ", "=", "$", "`", "!", "[x]", "%", "a", "é", "\b", "\u00a0"}
	data, options, want := map[string]any{}, []string{}, []string{}
	for i := range 600 {
		var v string
		for n, at := i%7, i; n > 0; n, at = n-1, at*31+7 {
			v += pieces[at%len(pieces)]
		}
		o := fmt.Sprintf("v%03d", i)
		data[o], options, want = v, append(options, o), append(want, v)
	}
	data["v100"], want[100] = strings.Repeat("x", 3800), strings.Repeat("x", 3800)
	w.write(t, "secret/data/many", map[string]any{"data": data})
	out, err := w.render(t, nil, block{
		contents: "[g]\n{{ with secret \"secret/data/many\" }}{{ range $k, $v := .Data.data }}{{ $k }} = {{ mycnfQuote $v }}\n{{ end }}{{ end }}",
		file:     "many.cnf",
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	equal(t, want, read(t, filepath.Join(w.dir, "many.cnf"), "g", options))
}

// TestRefused: what the reader can't get ends in an error that names the
// function and not the value, and in no file.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	w.write(t, "secret/data/bad", map[string]any{"data": map[string]any{"pin": "canary-1\ncanary-2", "none": nil}})
	for contents, want := range map[string]string{
		`{{ with secret "secret/data/bad" }}{{ .Data.data.pin | dockerEnv }}{{ end }}`:   "line break",
		`{{ with secret "secret/data/bad" }}{{ .Data.data.pin | iniQuote }}{{ end }}`:    "line break",
		`{{ with secret "secret/data/bad" }}{{ .Data.data.none | envQuote }}{{ end }}`:   "no value",
		`{{ with secret "secret/data/bad" }}{{ .Data.data | toINI }}{{ end }}`:           "there is no value",
		`{{ with secret "secret/data/bad" }}{{ .Data.data.pin | mycnfQuotes }}{{ end }}`: "mycnfQuote",
	} {
		out, err := w.render(t, nil, block{contents: contents, file: "bad"})
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v\n%s", contents, err, out)
		}
		if _, err := os.Stat(filepath.Join(w.dir, "bad")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: there is a file: %v", contents, err)
		}
	}
}

// Package arch_test holds the rules of the tree that a compiler can't check:
// who may import whom, and what every package and every file owes its readers.
package arch_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "vault-renderer"

// layers says on which layer every product package is: it may import the
// layers below. A new package must be put on one.
var layers = map[string]int{
	"renderer": 4,
	"webapp":   4,

	"renderer/internal/agent": 3,

	"renderer/internal/auth":          2,
	"renderer/internal/auth/sink":     2,
	"renderer/internal/auth/method":   2,
	"renderer/internal/auth/kerberos": 2,
	"renderer/internal/auth/aws":      2,
	"renderer/internal/auth/azure":    2,
	"renderer/internal/auth/gcp":      2,
	"renderer/internal/auth/alicloud": 2,
	"renderer/internal/auth/cf":       2,
	"renderer/internal/auth/oci":      2,
	"renderer/internal/watch":         2,
	"renderer/internal/rollout":       2,
	"renderer/internal/policy":        2,
	"renderer/internal/fixture":       2,
	"renderer/internal/limits":        2,
	"webapp/internal/web":             2,

	"renderer/internal/auth/cloud/cloudtest": 2, // helps tests

	"renderer/internal/vault":       1,
	"renderer/internal/auth/cloud":  1,
	"renderer/internal/config":      1,
	"renderer/internal/report":      1,
	"renderer/internal/tmpl":        1,
	"renderer/internal/destination": 1,
	"renderer/internal/reload":      1,
	"renderer/internal/child":       1,
	"renderer/internal/status":      1,
	"renderer/internal/telemetry":   1,
	"renderer/internal/preview":     1,
	"renderer/internal/state":       1,
	"webapp/credfile":               1,
	"webapp/dbpool":                 1,
	"webapp/internal/refresh":       1,

	"renderer/internal/lease": 0,
}

// siblings are the imports within a layer that are allowed.
var siblings = map[[2]string]bool{
	{"renderer/internal/tmpl", "renderer/internal/vault"}: true, // data types
}

// onlyIn says which packages may import a foreign module; a trailing slash
// means everything below, and "testbed/" may import anything but the product.
var onlyIn = []struct {
	module string
	users  []string
}{
	{"github.com/hashicorp/vault/api", []string{"renderer/internal/vault"}},
	{"github.com/hashicorp/vault", nil}, // the server is never linked
	{"github.com/hashicorp/hcl", []string{"renderer/internal/config"}},
	{"github.com/hashicorp/hcl/v2/gohcl", []string{"renderer/internal/config"}},
	{"github.com/hashicorp/hcl/v2/hclsyntax", []string{"renderer/internal/config"}},
	{"github.com/hashicorp/hcl/v2/hclparse", []string{"renderer/internal/config"}},
	{"github.com/hashicorp/hcl/v2/json", []string{"renderer/internal/config"}},
	// Diagnostics and ranges, that is: no decoding.
	{"github.com/hashicorp/hcl/v2", []string{"renderer/internal/config", "renderer/internal/agent", "renderer/internal/report", "renderer"}},
	{"github.com/hashicorp/go-metrics", []string{"renderer/internal/telemetry"}},
	{"github.com/jcmturner/gokrb5", []string{"renderer/internal/auth/kerberos"}},
	{"golang.org/x/oauth2", []string{"renderer/internal/auth/gcp"}},
	{"github.com/coreos/go-systemd", []string{"renderer"}},
	{"github.com/fsnotify/fsnotify", []string{"webapp/credfile"}},
	{"github.com/go-sql-driver/mysql", []string{"webapp/dbpool"}},
}

// listed is what `go list -json` says of a package.
type listed struct {
	ImportPath, Dir, Name, Doc string
	GoFiles                    []string
	Imports                    []string
}

func (p listed) rel() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

// isProduct tells what users get from what tests it and shows it.
func isProduct(rel string) bool { return !below(rel, "testbed") && !below(rel, "examples") }

func below(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

func packages(t *testing.T) []listed {
	t.Helper()
	out := command(t, "go", "list", "-e", "-json=ImportPath,Dir,Name,Doc,GoFiles,Imports", "./...")
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 { // else it has tests only
			all = append(all, p)
		}
	}
	if len(all) < len(layers)/2 {
		t.Fatalf("only %d packages", len(all))
	}
	return all
}

func command(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, stderr.Bytes())
	}
	return out
}

// TestLayers: imports point down only.
func TestLayers(t *testing.T) {
	for _, p := range packages(t) {
		from := p.rel()
		if !isProduct(from) {
			continue
		}
		up, known := layers[from]
		if !known {
			t.Errorf("%s is on no layer: add it to the table", from)
			continue
		}
		for _, imp := range p.Imports {
			to, ours := strings.CutPrefix(imp, module+"/")
			if !ours {
				continue
			}
			down, known := layers[to]
			switch {
			case !isProduct(to):
				t.Errorf("%s imports %s: testbed and examples are for tests", from, to)
			case !known:
				t.Errorf("%s imports %s, which is on no layer", from, to)
			case strings.HasPrefix(from, "renderer") != strings.HasPrefix(to, "renderer"):
				t.Errorf("%s imports %s: the rendered file is the only contract between the programs", from, to)
			case down >= up && !siblings[[2]string{from, to}]:
				t.Errorf("%s (layer %d) imports %s (layer %d)", from, up, to, down)
			}
		}
		if up == 0 {
			for _, imp := range p.Imports {
				if strings.Contains(imp, ".") {
					t.Errorf("%s (layer 0) imports %s: the standard library only", from, imp)
				}
			}
		}
	}
}

// TestConfigStaysAbove: only main and agent see config; every other package
// takes its own Options.
func TestConfigStaysAbove(t *testing.T) {
	for _, p := range packages(t) {
		if slices.Contains(p.Imports, module+"/renderer/internal/config") && layers[p.rel()] < 3 {
			t.Errorf("%s imports config", p.rel())
		}
	}
}

// TestForeignModules: each foreign module has its one user, so that it can be
// replaced, and so that what it knows (secrets, passwords) stays in one place.
func TestForeignModules(t *testing.T) {
	for _, p := range packages(t) {
		if !isProduct(p.rel()) {
			continue
		}
		for _, imp := range p.Imports {
			if users, rule := usersOf(imp); rule && !slices.Contains(users, p.rel()) {
				t.Errorf("%s imports %s; only %v may", p.rel(), imp, users)
			}
		}
	}
}

// usersOf finds the most exact rule for an import.
func usersOf(imp string) (users []string, found bool) {
	longest := 0
	for _, r := range onlyIn {
		if below(imp, r.module) && len(r.module) > longest {
			longest, users, found = len(r.module), r.users, true
		}
	}
	return users, found
}

// TestPackageComments: every package says what it is, in its name's words.
func TestPackageComments(t *testing.T) {
	for _, p := range packages(t) {
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command " + path.Base(p.ImportPath) + " "
			if p.rel() == "renderer" {
				want = "Command vault-renderer "
			}
		}
		if !strings.HasPrefix(p.Doc, want) {
			t.Errorf("%s: the package comment does not begin with %q: %q", p.rel(), want, p.Doc)
		}
	}
}

// TestPackageNames: a name says what the package offers.
func TestPackageNames(t *testing.T) {
	for _, p := range packages(t) {
		for part := range strings.SplitSeq(p.rel(), "/") {
			if slices.Contains([]string{"pkg", "util", "utils", "common", "types", "helpers", "misc"}, part) {
				t.Errorf("%s: %q says nothing", p.rel(), part)
			}
		}
	}
}

// TestNoHiddenState: no init functions and no package variables that anybody
// could change. What counts as a constant: errors, regular expressions, parsed
// templates, embedded files, tables nobody assigns to, interface checks, and
// the version that the linker sets.
func TestNoHiddenState(t *testing.T) {
	for _, p := range packages(t) {
		if !isProduct(p.rel()) {
			continue
		}
		for _, name := range p.GoFiles {
			file := filepath.Join(p.Dir, name)
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					if d.Recv == nil && d.Name.Name == "init" {
						t.Errorf("%s/%s has an init function", p.rel(), name)
					}
				case *ast.GenDecl:
					for _, v := range mutable(d) {
						t.Errorf("%s/%s: package variable %s", p.rel(), name, v)
					}
				}
			}
		}
	}
}

// mutable names the variables of d that are not as good as constants.
func mutable(d *ast.GenDecl) (names []string) {
	if d.Tok != token.VAR || (d.Doc != nil && strings.Contains(directives(d.Doc), "go:embed")) {
		return nil
	}
	for _, s := range d.Specs {
		v, ok := s.(*ast.ValueSpec)
		if !ok {
			continue
		}
		for i, n := range v.Names {
			if n.Name == "_" || n.Name == "version" || (i < len(v.Values) && constant(v.Values[i])) {
				continue
			}
			names = append(names, n.Name)
		}
	}
	return names
}

func directives(g *ast.CommentGroup) (all string) {
	for _, c := range g.List {
		all += c.Text + "\n"
	}
	return all
}

// constant says whether e gives a value that nobody changes later.
func constant(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.CompositeLit:
		_, array := e.Type.(*ast.ArrayType)
		return array && e.Type.(*ast.ArrayType).Len != nil // an array, not a slice or map
	case *ast.CallExpr:
		f, ok := e.Fun.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		of, _ := f.X.(*ast.Ident)
		if of == nil {
			return false
		}
		return slices.Contains([]string{
			"errors.New", "fmt.Errorf", "regexp.MustCompile", "template.Must", "strings.NewReplacer",
		}, of.Name+"."+f.Sel.Name)
	}
	return false
}

// TestGoMod: versions are what the file says: nothing is replaced.
func TestGoMod(t *testing.T) {
	for _, f := range tracked(t) {
		if path.Base(f) != "go.mod" {
			continue
		}
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
			if word := strings.Fields(line + " x")[0]; word == "replace" || word == "exclude" {
				t.Errorf("%s: %s", f, strings.TrimSpace(line))
			}
		}
	}
}

// tracked lists the files of the repository.
func tracked(t *testing.T) []string {
	t.Helper()
	return strings.Split(strings.TrimSuffix(string(command(t, "git", "ls-files", "-z")), "\x00"), "\x00")
}

// TestNoTraces: no file tells whose machine it was written on. The forbidden
// words come from the machine itself, and are put together from pieces where
// they would otherwise be in this file.
func TestNoTraces(t *testing.T) {
	forbidden := traces(t)
	users := regexp.MustCompile(`/(?:ho` + `me|Use` + `rs)/([A-Za-z0-9_.-]+)`)
	for _, f := range tracked(t) {
		raw, err := os.ReadFile(f)
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted, not yet committed
		}
		if err != nil {
			t.Fatal(err)
		}
		for what, re := range forbidden {
			if m := re.Find(raw); m != nil {
				t.Errorf("%s holds %s: %q", f, what, m)
			}
		}
		for _, m := range users.FindAllSubmatch(raw, -1) {
			// Vault's own account in its container, and system accounts in texts.
			if !slices.Contains([]string{"vault", "user", "app", "nobody"}, string(m[1])) {
				t.Errorf("%s holds a home directory: %q", f, m[0])
			}
		}
	}
}

func traces(t *testing.T) map[string]*regexp.Regexp {
	t.Helper()
	word := func(s string) *regexp.Regexp { return regexp.MustCompile(regexp.QuoteMeta(s)) }
	out := map[string]*regexp.Regexp{"the administrator's home": word("/ro" + "ot/")}
	if wd, err := os.Getwd(); err == nil {
		out["the checkout's path"] = word(wd)
		if parent := filepath.Dir(wd); len(parent) > 2 {
			out["the checkout's parent"] = regexp.MustCompile(regexp.QuoteMeta(parent) + `/(?:main|shared)\b`)
		}
	}
	if home, err := os.UserHomeDir(); err == nil && len(home) > 2 {
		out["the home directory"] = word(home + "/")
	}
	env := command(t, "go", "env", "-json", "GOPROXY", "GOSUMDB")
	var goenv map[string]string
	if err := json.Unmarshal(env, &goenv); err != nil {
		t.Fatal(err)
	}
	settings := []string{
		goenv["GOPROXY"], goenv["GOSUMDB"], os.Getenv("HTTP_PROXY"), os.Getenv("HTTPS_PROXY"),
		os.Getenv("http_proxy"), os.Getenv("https_proxy"),
	}
	for _, s := range settings {
		for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == '|' || r == ' ' }) {
			u, err := url.Parse(part)
			if err != nil || !strings.Contains(u.Hostname(), ".") || strings.HasSuffix(u.Hostname(), "golang.org") || strings.HasPrefix(u.Hostname(), "127.") {
				continue
			}
			out["a proxy's name"] = word(u.Hostname())
		}
	}
	return out
}

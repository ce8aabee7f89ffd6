package config

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

const (
	docs           = "../../../docs/"
	rolloutsPage   = "rollouts.md"
	supervisorPage = "supervisor.md"
)

func readPage(t *testing.T, page string) string {
	t.Helper()
	raw, err := os.ReadFile(docs + page)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// blocks gives the fenced texts of a kind on a page.
func blocks(t *testing.T, page, kind string) []string {
	t.Helper()
	var all []string
	for _, m := range regexp.MustCompile("(?s)\n```"+kind+"\n(.*?)\n```\n").FindAllStringSubmatch(readPage(t, page), -1) {
		all = append(all, m[1]+"\n")
	}
	if len(all) == 0 {
		t.Fatalf("%s has no %q", page, kind)
	}
	return all
}

// TestPageConfigurations: every configuration on the pages is one. Those that
// are parts may lack what they don't speak of.
func TestPageConfigurations(t *testing.T) {
	all := append(blocks(t, rolloutsPage, "hcl"), blocks(t, supervisorPage, "hcl")...)
	t.Chdir("../../..") // where the pages' relative paths start
	for _, src := range all {
		file := filepath.Join(t.TempDir(), "page.hcl")
		if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		whole := strings.HasPrefix(src, "strict = true\n")
		c, diags := LoadWith([]string{file}, Options{NoLogin: !whole})
		diags = slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool {
			return !whole && (d.Summary == "Rollout without templates" || d.Summary == "Missing keys pass")
		})
		if len(diags) > 0 {
			t.Errorf("%s\n%s", src, text(t, c.Files, diags))
		}
	}
}

// TestPageShowsEveryKey: of our own blocks.
func TestPageShowsEveryKey(t *testing.T) {
	for page, sections := range map[string][]*Section{
		rolloutsPage:   {rolloutSection(), checkSection(), tellSection(), ackSection(), leaseSection(), statusSection()},
		supervisorPage: {superviseSection(), execEnvSection(), readySection(), socketSection()},
	} {
		shown := strings.Join(blocks(t, page, "hcl"), "")
		for _, sec := range sections {
			for _, k := range sec.Keys {
				if !regexp.MustCompile(`(?m)^\s*`+k.Name+`\s+(?:"\w+" )?[={]`).MatchString(shown) && !strings.Contains(readPage(t, page), "`"+k.Name+"`") {
					t.Errorf("%s: %s.%s is nowhere", page, sec.Name, k.Name)
				}
			}
		}
	}
}

// TestPagePolicies: nothing but paths with capabilities that Vault knows.
func TestPagePolicies(t *testing.T) {
	known := []string{"create", "read", "update", "patch", "delete", "list", "sudo", "deny"}
	for _, src := range blocks(t, rolloutsPage, "hcl policy") {
		_, b, diags := parse(input{"policy.hcl", []byte(src)}, false)
		if diags.HasErrors() || len(b.items) == 0 {
			t.Fatal(diags)
		}
		for _, it := range b.items {
			attrs, _ := it.val.obj.JustAttributes()
			if it.name != "path" || len(it.labels) != 1 || attrs["capabilities"] == nil {
				t.Fatalf("%s %q", it.name, it.labels)
			}
			v, _ := attrs["capabilities"].Expr.Value(nil)
			for _, c := range plain(v).([]any) {
				if !slices.Contains(known, c.(string)) {
					t.Errorf("%s: %v", it.labels[0], c)
				}
			}
		}
	}
}

// TestPagePrograms: they compile, and vet has nothing against them.
func TestPagePrograms(t *testing.T) {
	for _, src := range append(blocks(t, rolloutsPage, "go"), blocks(t, supervisorPage, "go")...) {
		file := filepath.Join(t.TempDir(), "main.go")
		if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("go", "vet", file).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		if out, err := exec.Command("gofmt", "-l", file).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("gofmt: %v %s", err, out)
		}
	}
}

// TestPageUnits: they have the form of units, and those about rollouts make the
// directories below /run in which the application's configuration keeps its files.
func TestPageUnits(t *testing.T) {
	line := regexp.MustCompile(`^(\[[A-Z][a-z]+\]|#.*|[A-Z][A-Za-z]+=.+|)$`)
	units := blocks(t, rolloutsPage, "ini")
	for _, l := range strings.Split(strings.Join(append(units, blocks(t, supervisorPage, "ini")...), ""), "\n") {
		if !line.MatchString(l) {
			t.Errorf("not a line of a unit: %s", l)
		}
	}
	made := strings.Fields(regexp.MustCompile(`(?m)^RuntimeDirectory=(.*)$`).FindStringSubmatch(units[0])[1])
	var app string
	for _, src := range blocks(t, rolloutsPage, "hcl") {
		if strings.Contains(src, "127.0.0.1:5000") {
			app = src
		}
	}
	paths := regexp.MustCompile(`/run/([^/"]+)/`).FindAllStringSubmatch(app, -1)
	if len(paths) < 4 {
		t.Fatalf("%d paths below /run", len(paths))
	}
	for _, m := range paths {
		if !slices.Contains(made, m[1]) {
			t.Errorf("%s: the unit does not make that directory", m[0])
		}
	}
}

// TestPageLinks: what the pages point to is there.
func TestPageLinks(t *testing.T) {
	for _, page := range []string{rolloutsPage, supervisorPage} {
		links := regexp.MustCompile(`\]\(([^)#]+)`).FindAllStringSubmatch(readPage(t, page), -1)
		if len(links) == 0 {
			t.Fatalf("%s: no links", page)
		}
		for _, m := range links {
			if _, err := os.Stat(filepath.Join(docs, m[1])); err != nil {
				t.Error(err)
			}
		}
	}
}

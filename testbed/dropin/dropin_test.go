package dropin

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
)

// atOnce is how many cases run at one time: they mostly wait.
const atOnce = "12"

func TestMain(m *testing.M) {
	flag.Parse()
	// Else the number of processors is the limit. A flag that is given wins.
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", atOnce); err != nil {
			fmt.Fprintln(os.Stderr, "dropin:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func TestDropIn(t *testing.T) {
	t.Parallel()
	cases := loadCases(t)
	meant := loadDifferences(t)
	w := newWorld(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, w, meant[c.name])
		})
	}
}

// test runs the case through both programs and compares what they did.
func (c *testCase) test(t *testing.T, w *world, meant *difference) {
	vault, renderer, err := c.both(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	c.checkVault(t, vault)
	if strings.Contains(renderer.output, "canary-") {
		t.Errorf("vault-renderer printed a secret:\n%s", renderer.output)
	}
	parts := differ(vault, renderer)
	switch {
	case meant == nil && len(parts) > 0:
		t.Errorf("different: %s\n%s", strings.Join(parts, ", "), compareTexts(vault, renderer, parts))
	case meant != nil && len(parts) == 0:
		t.Errorf("no difference: remove it from testdata/differences.txt")
	case meant != nil && !slices.Equal(parts, meant.parts):
		t.Errorf("different: %q, but testdata/differences.txt says %q\n%s", parts, meant.parts, compareTexts(vault, renderer, parts))
	case testing.Verbose():
		t.Log(compareTexts(vault, renderer, parts))
	}
	if !t.Failed() {
		// Keeps memory low: the sandboxes lie on a tmpfs.
		os.RemoveAll(filepath.Join(w.dir, c.name))
	}
}

// both runs both programs side by side.
func (c *testCase) both(ctx context.Context, w *world) (vault, renderer *result, err error) {
	var wg sync.WaitGroup
	var vaultErr, rendererErr error
	wg.Go(func() { vault, vaultErr = perform(ctx, w, c, "vault") })
	wg.Go(func() { renderer, rendererErr = perform(ctx, w, c, "renderer") })
	wg.Wait()
	if vaultErr != nil {
		return nil, nil, fmt.Errorf("with Vault Agent: %w\n%s", vaultErr, outputOf(vault))
	}
	if rendererErr != nil {
		return nil, nil, fmt.Errorf("with vault-renderer: %w\n%s", rendererErr, outputOf(renderer))
	}
	return vault, renderer, nil
}

func outputOf(r *result) string {
	if r == nil {
		return ""
	}
	return r.output
}

// checkVault checks that the case shows what it says it shows.
func (c *testCase) checkVault(t *testing.T, r *result) {
	t.Helper()
	if got := r.parts["exit"]; got != c.exit {
		t.Errorf("Vault Agent ended with %s, the case says %s\n%s", got, c.exit, r.output)
	}
	if s, ok := r.parts["steps"]; ok && !strings.HasSuffix(s, ": exit") {
		t.Errorf("Vault Agent: %s\n%s", s, r.output)
	}
	for _, re := range c.says {
		if !re.MatchString(r.output) {
			t.Errorf("Vault Agent does not say %q\n%s", re, r.output)
		}
	}
	for _, name := range c.has {
		if !r.files[name] {
			t.Errorf("Vault Agent left no %s\n%s", name, r.output)
		}
	}
	for _, name := range c.lacks {
		if r.files[name] {
			t.Errorf("Vault Agent left %s\n%s", name, r.output)
		}
	}
}

// compareTexts shows the parts that differ, and what the programs printed.
func compareTexts(vault, renderer *result, parts []string) string {
	var b strings.Builder
	for _, name := range parts {
		text := func(r *result) []byte {
			if v, ok := r.parts[name]; ok {
				return []byte(v + "\n")
			}
			return []byte("(nothing)\n")
		}
		b.WriteString("\n== " + name + "\n")
		b.Write(diff.Diff("Vault Agent", text(vault), "vault-renderer", text(renderer)))
	}
	b.WriteString("\n-- Vault Agent printed\n" + tail(vault.output))
	b.WriteString("\n-- vault-renderer printed\n" + tail(renderer.output))
	return b.String()
}

func tail(s string) string {
	const most = 4000
	if len(s) > most {
		return "...\n" + s[len(s)-most:]
	}
	return s
}

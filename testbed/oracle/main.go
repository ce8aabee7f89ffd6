// Command oracle renders the snippets below a directory with consul-template,
// the engine of Vault Agent, and compares what comes out with the answers that
// are recorded in them; -update records them. It is a module of its own, so
// that nothing of this is ever linked into the product.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// verdict is the line that is printed for each snippet.
type verdict struct {
	Name     string `json:"name"` // file/snippet
	Same     bool   `json:"same"`
	Answer   answer `json:"answer"`             // consul-template's
	Recorded answer `json:"recorded,omitempty"` // the snippet's
}

func main() {
	update := flag.Bool("update", false, "record consul-template's answers")
	flag.Parse()
	if err := run(flag.Arg(0), *update); err != nil {
		fmt.Fprintln(os.Stderr, "oracle: error:", err)
		os.Exit(1)
	}
}

func run(dir string, update bool) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.snip"))
	if err != nil || len(names) == 0 {
		return fmt.Errorf("no snippets in %s: %w", dir, err)
	}
	w, err := loadWorld(filepath.Join(dir, "world.json"))
	if err != nil {
		return err
	}
	scene, err := os.MkdirTemp("", "oracle")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scene)
	if err := w.set(scene); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	os.Stdout = os.Stderr // spew_dump prints there
	for _, name := range names {
		if err := one(w, name, update, out); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// one answers the snippets of one file.
func one(w *world, name string, update bool, out *json.Encoder) error {
	raw, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	f, err := parse(string(raw))
	if err != nil {
		return err
	}
	base := filepath.Base(name)
	for i := range f.snippets {
		s := &f.snippets[i]
		got := w.render(s)
		v := verdict{Name: base + "/" + s.name, Same: got.equal(s.answer), Answer: got, Recorded: s.answer}
		if err := out.Encode(v); err != nil {
			return err
		}
		s.answer = got
	}
	if !update {
		return nil
	}
	return os.WriteFile(name, []byte(f.String()), 0o644)
}

// answer is what a template gave.
type answer struct {
	Output  string   `json:"output"`
	Error   string   `json:"error,omitempty"` // its text is not compared
	Missing bool     `json:"missing,omitempty"`
	Files   []string `json:"files,omitempty"` // "name mode\ncontent"
}

func (a answer) equal(b answer) bool {
	return a.Output == b.Output && (a.Error == "") == (b.Error == "") && a.Missing == b.Missing && slices.Equal(a.Files, b.Files)
}

package main

import (
	"encoding/json"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pageCommands gives the command lines of docs/supervisor.md: of entrypoints,
// of a unit, and at a prompt.
func pageCommands(t *testing.T) (all [][]string) {
	t.Helper()
	raw, err := os.ReadFile("../docs/supervisor.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^ENTRYPOINT (.*)$`).FindAllSubmatch(raw, -1) {
		var argv []string
		if err := json.Unmarshal(m[1], &argv); err != nil {
			t.Fatalf("%s: %v", m[1], err)
		}
		all = append(all, argv)
	}
	for _, m := range regexp.MustCompile(`(?m)^(?:ExecStart=|\$ )(\S*vault-renderer .*)$`).FindAllSubmatch(raw, -1) {
		all = append(all, strings.Fields(string(m[1])))
	}
	return all
}

// TestSupervisorPageCommands: their options are options.
func TestSupervisorPageCommands(t *testing.T) {
	seen := map[string]int{}
	for _, argv := range pageCommands(t) {
		seen[argv[1]]++
		flags, command := cutCommand(argv[2:])
		if !slices.Contains(argv, "--") {
			command = []string{"of the block"}
		}
		f := &agentFlags{}
		set := f.options(argv[1])
		set.Bool("memory", false, "of exec")
		if err := f.parse(set, flags, io.Discard, "", nil); err != nil || set.NArg() > 0 || len(f.config) == 0 {
			t.Errorf("%q: %v, left %q", argv, err, set.Args())
		}
		if len(command) == 0 && argv[1] != "agent" { // of an image it comes from CMD
			t.Errorf("%q: nothing behind --", argv)
		}
	}
	if seen["agent"] < 3 || seen["exec"] < 2 || seen["validate"] < 1 || len(seen) != 3 {
		t.Errorf("commands %v", seen)
	}
}

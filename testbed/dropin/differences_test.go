package dropin

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// difference is one that is meant to be.
type difference struct {
	parts  []string
	reason string
}

// loadDifferences reads testdata/differences.txt: entries
//
//	case-name [part, part]: the reason
//	  may go on in indented lines
func loadDifferences(t *testing.T) map[string]*difference {
	t.Helper()
	all := map[string]*difference{}
	for _, e := range entries(t, "testdata/differences.txt") {
		m := regexp.MustCompile(`^(\S+) \[(.+?)\]: (.+)$`).FindStringSubmatch(e)
		if m == nil {
			t.Fatalf("differences.txt: %q is not \"case [parts]: reason\"", e)
		}
		if _, err := os.Stat("testdata/cases/" + m[1] + ".txtar"); err != nil {
			t.Errorf("differences.txt: %v", err)
		}
		if all[m[1]] != nil {
			t.Errorf("differences.txt: %s is there twice", m[1])
		}
		parts := strings.Split(m[2], ", ")
		slices.Sort(parts)
		all[m[1]] = &difference{parts: parts, reason: m[3]}
	}
	return all
}

// entries are the lines of a file without comments, continued where a line is
// indented.
func entries(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		text := strings.TrimSpace(line)
		switch {
		case text == "" || strings.HasPrefix(text, "#"):
		case strings.HasPrefix(line, " ") && len(out) > 0:
			out[len(out)-1] += " " + text
		default:
			out = append(out, text)
		}
	}
	return out
}

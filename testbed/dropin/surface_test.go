package dropin

import (
	"regexp"
	"strings"
	"testing"
)

// TestSurface finds every key, flag and variable of testdata/surface.txt in a
// case, or in testdata/not-compared.txt.
func TestSurface(t *testing.T) {
	t.Parallel()
	cases := loadCases(t)
	reasons := notCompared(t)
	known := map[string]bool{}
	for _, name := range entries(t, "testdata/surface.txt") {
		known[name] = true
		in := usedBy(cases, name)
		reason := reasons[name]
		switch {
		case in == "" && reason == "":
			t.Errorf("%s: in no case and not in not-compared.txt", name)
		case in != "" && reason != "":
			t.Errorf("%s: in not-compared.txt, but case %s has it", name, in)
		}
	}
	for name := range reasons {
		if !known[name] {
			t.Errorf("not-compared.txt: %s is not in surface.txt", name)
		}
	}
}

// notCompared reads testdata/not-compared.txt: "name name ...: the reason".
func notCompared(t *testing.T) map[string]string {
	t.Helper()
	reasons := map[string]string{}
	for _, e := range entries(t, "testdata/not-compared.txt") {
		names, reason, ok := strings.Cut(e, ": ")
		if !ok {
			t.Fatalf("not-compared.txt: %q is not \"name ...: reason\"", e)
		}
		for _, name := range strings.Fields(names) {
			if reasons[name] != "" {
				t.Errorf("not-compared.txt: %s is there twice", name)
			}
			reasons[name] = reason
		}
	}
	return reasons
}

// usedBy names a case that uses the key, the flag ("-name") or the variable
// ("$NAME"). Cases of refusals ("invalid-...") do not count.
func usedBy(cases []*testCase, name string) string {
	uses := usesKey(name)
	switch {
	case strings.HasPrefix(name, "-"):
		flag := regexp.MustCompile(`^-?` + regexp.QuoteMeta(name) + `(=|$)`)
		uses = func(c *testCase) bool { return matchesAny(flag, c.arguments()) }
	case strings.HasPrefix(name, "$"):
		variable := regexp.MustCompile(`^` + regexp.QuoteMeta(name[1:]) + `=`)
		uses = func(c *testCase) bool { return matchesAny(variable, c.env) }
	}
	for _, c := range cases {
		if !strings.HasPrefix(c.name, "invalid-") && uses(c) {
			return c.name
		}
	}
	return ""
}

// usesKey looks for a key: its name, and the names of the blocks around it, in
// one configuration. Which brace belongs to which is not looked at.
func usesKey(name string) func(*testCase) bool {
	var words []*regexp.Regexp
	for part := range strings.SplitSeq(name, ".") {
		if part == "config" {
			continue // cert and every sink may do without
		}
		if kind, ok := strings.CutPrefix(part, "config("); ok {
			words = append(words, regexp.MustCompile(`(?i)["\s]`+strings.TrimSuffix(kind, ")")+`"`))
			continue
		}
		words = append(words, regexp.MustCompile(`(?im)(?:^|["\s{,])`+part+`"?\s*(?:[={:]|"[^"=\n]*"\s*\{)`))
	}
	if len(words) > 1 && strings.HasPrefix(name, "exec.") {
		words = append(words, regexp.MustCompile(`env_template`))
	}
	return func(c *testCase) bool {
		for _, f := range c.files {
			if containsAll(string(f.Data), words) {
				return true
			}
		}
		return false
	}
}

func containsAll(text string, words []*regexp.Regexp) bool {
	for _, w := range words {
		if !w.MatchString(text) {
			return false
		}
	}
	return true
}

func matchesAny(re *regexp.Regexp, words []string) bool {
	for _, w := range words {
		if re.MatchString(w) {
			return true
		}
	}
	return false
}

package policy

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"vault-renderer/renderer/internal/vault"
)

// Mounts says which engine serves a path; known is false when nobody can tell.
type Mounts func(path string) (m vault.Mount, known bool)

// Rule is one path of a policy.
type Rule struct {
	Path         string
	Capabilities []string
	Needs        []Need
	Either       []string // the other spellings, of which one is right; none when it is certain

	spelling int // which of the spellings it is, from 1; 0 when it is certain
}

// Wants gives the rules that a need can be met with, of which one is enough.
// Nothing is known of a path that is computed from its beginning: no rule.
func Wants(n Need, mounts Mounts) []Rule {
	if n.Path == "" {
		return nil
	}
	m, known := mounts(n.Path)
	paths := []string{n.Path}
	switch {
	case n.Method == vault.MethodPKI:
	case known && n.Method == vault.MethodList:
		paths = []string{begins(n, m.List(n.Path))}
	case known:
		paths = []string{begins(n, m.Data(n.Path))}
	default:
		paths = spellings(n)
	}
	caps := capabilities(n, m)
	var out []Rule
	for _, p := range paths {
		if n.Computed != "" {
			p += "*"
		}
		out = append(out, Rule{Path: p, Capabilities: caps, Needs: []Need{n}})
	}
	if len(out) == 2 {
		out[0].Either, out[0].spelling = []string{out[1].Path}, 1
		out[1].Either, out[1].spelling = []string{out[0].Path}, 2
	}
	return out
}

// begins keeps the slash at the end of what a computed path begins with.
func begins(n Need, p string) string {
	if n.Computed != "" && strings.HasSuffix(n.Path, "/") && !strings.HasSuffix(p, "/") {
		p += "/"
	}
	return p
}

// spellings are the paths that stand for one in a mount that nobody knows.
func spellings(n Need) []string {
	mount, rest, inside := strings.Cut(n.Path, "/")
	word := "data"
	if n.Method == vault.MethodList {
		word = "metadata"
	}
	first, _, _ := strings.Cut(rest, "/")
	switch {
	case slices.Contains([]string{"sys", "auth", "cubbyhole", "identity"}, mount), // never key/value
		!inside && n.Computed != "", // the mount itself is computed
		slices.Contains([]string{"data", "metadata", "subkeys"}, first):
		return []string{n.Path}
	}
	v2 := mount + "/" + word
	if inside {
		v2 += "/" + rest
	}
	return []string{n.Path, v2}
}

// capabilities are what a need takes. A write to something new is another
// capability only where Vault knows what is there.
func capabilities(n Need, m vault.Mount) []string {
	switch n.Method {
	case vault.MethodList:
		return []string{"list"}
	case vault.MethodPKI:
		return []string{"update"}
	case vault.MethodWrite:
		if m.Type != "" && !slices.Contains([]string{"kv", "generic", "cubbyhole"}, m.Type) {
			return []string{"update"}
		}
		return []string{"create", "update"}
	}
	return []string{"read"}
}

// Rules gives the rules of all needs, one for each path, and the needs that no
// rule can be given for.
func Rules(needs []Need, mounts Mounts) (rules []Rule, unknown []Need) {
	byPath := map[string]*Rule{}
	for _, n := range needs {
		wants := Wants(n, mounts)
		if len(wants) == 0 {
			unknown = append(unknown, n)
		}
		for _, w := range wants {
			r := byPath[w.Path]
			if r == nil {
				byPath[w.Path] = &w
				continue
			}
			r.Needs = append(r.Needs, n)
			r.Capabilities = union(r.Capabilities, w.Capabilities)
			if len(r.Either) == 0 || len(w.Either) == 0 {
				r.Either, r.spelling = nil, 0 // one of the needs is certain
			} else {
				r.Either = union(r.Either, w.Either)
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(byPath)) {
		rules = append(rules, *byPath[path])
	}
	widen(rules)
	return rules, unknown
}

// widen gives a rule what patterns that cover it allow: Vault goes by the most
// specific rule alone, and a computed path may come to be this one.
func widen(rules []Rule) {
	given := slices.Clone(rules)
	for i := range rules {
		r := &rules[i]
		for _, g := range given {
			prefix, pattern := strings.CutSuffix(g.Path, "*")
			if !pattern || g.Path == r.Path || !strings.HasPrefix(r.Path, prefix) {
				continue
			}
			if g.spelling+r.spelling == 1+2 {
				continue // only one of the two will stay
			}
			if caps := union(r.Capabilities, g.Capabilities); len(caps) > len(r.Capabilities) {
				r.Capabilities, r.Needs = caps, slices.Concat(r.Needs, g.Needs)
			}
		}
	}
}

func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// HCL is the rule as it stands in a policy.
func (r Rule) HCL() string {
	var caps []string
	for _, c := range r.Capabilities {
		caps = append(caps, fmt.Sprintf("%q", c))
	}
	return fmt.Sprintf("path %q { capabilities = [%s] }", r.Path, strings.Join(caps, ", "))
}

const head = `# What these templates need of Vault, and no more. Every token also has the
# policy "default", unless it was made without: the agent renews its token and
# its leases by it (auth/token/lookup-self, auth/token/renew-self,
# sys/leases/renew), and wraps a sink's token (sys/wrapping/wrap).
`

// Write prints a policy, each rule in one line with what it is for above.
func Write(w io.Writer, rules []Rule, unknown []Need) error {
	var out strings.Builder
	out.WriteString(head)
	for _, r := range rules {
		out.WriteByte('\n')
		for _, n := range distinct(r.Needs) {
			fmt.Fprintf(&out, "# %s\n", n)
		}
		if len(r.Either) > 0 {
			fmt.Fprintf(&out, "# This or %s: that depends on the version of the key/value engine.\n", strings.Join(r.Either, " or "))
		}
		out.WriteString(r.HCL() + "\n")
	}
	for _, n := range unknown {
		fmt.Fprintf(&out, "\n# %s\n# No rule: nothing is known of the path but what it is computed from. Add one.\n", n.why())
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// distinct gives the reasons of a rule, each once.
func distinct(needs []Need) (out []string) {
	for _, n := range needs {
		if text := n.why(); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// why is where a need comes from.
func (n Need) why() string {
	at := fmt.Sprintf("%s, template %q", n.Place, n.Template)
	if n.Computed != "" {
		return fmt.Sprintf("%s: the path is computed: %s", at, strings.Join(strings.Fields(n.Computed), " "))
	}
	return at
}

// Missing is a need that a token can't meet.
type Missing struct {
	Need Need
	Want []Rule // one of them would do
}

// Check compares the needs with what a token may do at a path.
func Check(needs []Need, mounts Mounts, may map[string][]string) (out []Missing) {
	for _, n := range needs {
		wants := Wants(n, mounts)
		met := len(wants) == 0 || slices.ContainsFunc(wants, func(r Rule) bool { return allowed(r, may) })
		if !met {
			out = append(out, Missing{n, wants})
		}
	}
	slices.SortStableFunc(out, func(a, b Missing) int { return cmp.Compare(a.Need.Place, b.Need.Place) })
	return out
}

// Asked gives the paths whose capabilities Check wants to know. A list may be
// allowed with or without a slash at the end.
func Asked(needs []Need, mounts Mounts) (out []string) {
	for _, n := range needs {
		for _, r := range Wants(n, mounts) {
			out = append(out, r.Path, r.Path+"/")
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func allowed(r Rule, may map[string][]string) bool {
	has := may[r.Path]
	if slices.Equal(r.Capabilities, []string{"list"}) {
		has = slices.Concat(has, may[r.Path+"/"])
	}
	if slices.Contains(has, "root") {
		return true
	}
	return !slices.ContainsFunc(r.Capabilities, func(c string) bool { return !slices.Contains(has, c) })
}

// Error says in words what is missing, and what would help.
func (m Missing) Error() string {
	var rules []string
	for _, r := range m.Want {
		rules = append(rules, r.HCL())
	}
	return fmt.Sprintf("template %q: %s: the token may not %s; the policy needs %s", m.Need.Template, m.Need.Place, m.Need, strings.Join(rules, " or "))
}

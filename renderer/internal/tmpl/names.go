package tmpl

import (
	"fmt"
	"slices"
	"strings"
	"text/template/parse"
)

// consul and nomad are consul-template's functions that have no meaning
// without those servers. They are known so that a template that needs them
// is refused in words that help.
var consul = [...]string{
	"byKey", "byMeta", "byPort", "byTag", "caLeaf", "caRoots", "connect", "datacenters", "explode", "exportedServices",
	"importedServices", "key", "keyExists", "keyOrDefault", "ls", "node", "nodes", "partitions", "peerings",
	"safeLs", "safeTree", "service", "services", "tree",
}

var nomad = [...]string{
	"nomadService", "nomadServices", "nomadVar", "nomadVarExists", "nomadVarList", "nomadVarListSafe",
}

// ident is the name of a function where it stands in a template.
type ident struct {
	name string
	pos  parse.Pos
}

// known says whether a template may name the function.
func known(name string) bool {
	return strings.HasPrefix(name, sprigPrefix) || slices.Contains(allNames(), name)
}

// allNames gives the names of every function but sprig's.
func allNames() []string {
	out := slices.Clone(builtins[:])
	for i := range pure {
		out = append(out, pure[i].name)
	}
	for i := range bound {
		out = append(out, bound[i].name)
	}
	for i := range quoting {
		out = append(out, quoting[i].name)
	}
	return out
}

// unknown is the error for a function that is not there.
func (t *Template) unknown(id ident) error {
	out := &Error{Template: t.spec.Name}
	out.Line, out.Col = position(t.spec.Text, id.pos)
	switch {
	case slices.Contains(consul[:], id.name):
		out.Detail = fmt.Sprintf("this program talks to Vault, not to Consul: it has no function %q", id.name)
	case slices.Contains(nomad[:], id.name):
		out.Detail = fmt.Sprintf("this program talks to Vault, not to Nomad: it has no function %q", id.name)
	case slices.Contains(changing[:], strings.TrimPrefix(id.name, sprigPrefix)) && strings.HasPrefix(id.name, sprigPrefix):
		out.Detail = fmt.Sprintf("there is no function %q: as in Vault Agent, functions that give another result each time are left out", id.name)
	default:
		out.Detail = fmt.Sprintf("there is no function %q%s", id.name, didYouMean(id.name))
	}
	return out
}

// position is the line and column of a place in the text, both from 1.
func position(text string, pos parse.Pos) (line, col int) {
	before := text[:min(int(pos), len(text))]
	return 1 + strings.Count(before, "\n"), len(before) - strings.LastIndex(before, "\n")
}

// didYouMean names the function that is spelled most alike.
func didYouMean(name string) string {
	candidates := allNames()
	for _, s := range sprigNames() {
		candidates = append(candidates, sprigPrefix+s)
	}
	given := strings.ToLower(name)
	best, least := "", 1+max(2, len(name)/3)
	for _, c := range candidates {
		lower := strings.ToLower(c)
		d := min(distance(given, lower),
			1+distance(strings.TrimPrefix(given, sprigPrefix), strings.TrimPrefix(lower, sprigPrefix)))
		if d < least {
			best, least = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// distance is how many letters must be changed, put in or taken out to make a
// of b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

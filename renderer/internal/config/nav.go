package config

import (
	"fmt"
	"strings"
)

// nav tells HCL's diagnostic writer in which block an offset stands.
type nav struct{ root *body }

// ContextString is the interface that the writer looks for.
func (n nav) ContextString(offset int) string {
	return strings.Join(path(n.root, offset), ", ")
}

func path(b *body, offset int) []string {
	for _, it := range b.items {
		if offset < it.nameRange.Start.Byte || offset >= it.val.rng.End.Byte {
			continue
		}
		name := it.name
		for _, l := range it.labels {
			name += fmt.Sprintf(" %q", l)
		}
		for _, n := range append([]*node{it.val}, it.val.elems...) {
			if n.obj != nil && offset < n.rng.End.Byte {
				return append([]string{name}, path(n.obj, offset)...)
			}
		}
	}
	return nil
}

// Package policy finds what templates ask of Vault in their text, and makes the
// least policy of it. It executes nothing and asks no server.
package policy

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"
	"text/template/parse"

	"vault-renderer/renderer/internal/vault"
)

// Source is one template.
type Source struct {
	Name        string
	Text        string
	Left, Right string // delimiters; "" = {{ and }}
	Place       func(line int) string
}

// Need is one call of secret, secrets or pkiCert.
type Need struct {
	Template, Place string
	Method          string // vault.MethodRead ...
	Path            string // without parameters; of a computed one what it begins with
	Computed        string // the expression when the path is computed, else ""
}

// Needs gives the calls in a template, in the order of its text.
func Needs(s Source) ([]Need, error) {
	trees := map[string]*parse.Tree{}
	root := parse.New("")
	root.Mode = parse.SkipFuncCheck
	if _, err := root.Parse(s.Text, s.Left, s.Right, trees); err != nil {
		return nil, err
	}
	f := &finder{s: s, values: map[string]*parse.PipeNode{}}
	for _, name := range slices.Sorted(maps.Keys(trees)) {
		walk(trees[name].Root, f.declaration)
	}
	for _, name := range slices.Sorted(maps.Keys(trees)) {
		walk(trees[name].Root, f.calls)
	}
	slices.SortStableFunc(f.found, func(a, b found) int { return cmp.Compare(a.pos, b.pos) })
	var out []Need
	for _, n := range f.found {
		out = append(out, n.Need)
	}
	return out, nil
}

// finder looks through the trees of one template.
type finder struct {
	s      Source
	values map[string]*parse.PipeNode // of variables; nil = it has several, or one that varies
	found  []found
}

type found struct {
	Need
	pos parse.Pos
}

// walk shows every node of a tree.
func walk(n parse.Node, see func(parse.Node)) {
	see(n)
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, e := range n.Nodes {
				walk(e, see)
			}
		}
	case *parse.ActionNode:
		walk(n.Pipe, see)
	case *parse.TemplateNode:
		walk(n.Pipe, see)
	case *parse.IfNode:
		branch(&n.BranchNode, see)
	case *parse.RangeNode:
		branch(&n.BranchNode, see)
	case *parse.WithNode:
		branch(&n.BranchNode, see)
	case *parse.PipeNode:
		if n != nil {
			for _, c := range n.Cmds {
				walk(c, see)
			}
		}
	case *parse.CommandNode:
		for _, a := range n.Args {
			walk(a, see)
		}
	case *parse.ChainNode:
		walk(n.Node, see)
	}
}

func branch(n *parse.BranchNode, see func(parse.Node)) {
	walk(n.Pipe, see)
	walk(n.List, see)
	walk(n.ElseList, see)
}

// declaration notes the values of variables. One that is given a value at two
// places, or by range, has none that is known.
func (f *finder) declaration(n parse.Node) {
	var p *parse.PipeNode
	ranged := false
	switch n := n.(type) {
	case *parse.RangeNode:
		p, ranged = n.Pipe, true
	case *parse.ActionNode:
		p = n.Pipe
	case *parse.IfNode:
		p = n.Pipe
	case *parse.WithNode:
		p = n.Pipe
	}
	if p == nil {
		return
	}
	for _, v := range p.Decl {
		name := v.Ident[0]
		_, again := f.values[name]
		f.values[name] = p
		if again || ranged {
			f.values[name] = nil
		}
	}
}

// calls notes the calls in a pipeline.
func (f *finder) calls(n parse.Node) {
	p, ok := n.(*parse.PipeNode)
	if !ok || p == nil {
		return
	}
	for i, c := range p.Cmds {
		id, ok := c.Args[0].(*parse.IdentifierNode)
		if !ok || !slices.Contains([]string{"secret", "secrets", "pkiCert"}, id.Ident) {
			continue
		}
		args := slices.Clone(c.Args[1:])
		if i > 0 { // what is piped into it is its last argument
			args = append(args, &parse.PipeNode{NodeType: parse.NodePipe, Pos: p.Pos, Cmds: p.Cmds[:i]})
		}
		if len(args) > 0 {
			f.call(id, args)
		}
	}
}

func (f *finder) call(id *parse.IdentifierNode, args []parse.Node) {
	n := Need{Template: f.s.Name, Method: vault.MethodRead}
	switch {
	case id.Ident == "secrets":
		n.Method = vault.MethodList
	case id.Ident == "pkiCert":
		n.Method = vault.MethodPKI
	case len(args) > 1:
		n.Method = vault.MethodWrite
	}
	v := f.eval(args[0])
	text := strings.TrimLeft(strings.TrimLeft(v.text, " \t\n"), "/")
	if before, _, query := strings.Cut(text, "?"); query && n.Method != vault.MethodWrite {
		text, v.whole = before, true // what follows are parameters
	}
	if v.whole {
		text = strings.Trim(strings.TrimSpace(text), "/")
	} else {
		n.Computed = args[0].String()
	}
	if n.Method != vault.MethodWrite && strings.Contains(text, "%") {
		if plain, err := url.PathUnescape(text); err == nil {
			text = plain
		}
	}
	if text == "" && v.whole {
		return // an error or nothing at all, when it runs
	}
	n.Path = text
	n.Place = f.s.Place(1 + strings.Count(f.s.Text[:min(int(id.Pos), len(f.s.Text))], "\n"))
	f.found = append(f.found, found{n, id.Pos})
}

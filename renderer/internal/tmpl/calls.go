package tmpl

import (
	"maps"
	"slices"
	"strings"
	"text/template/parse"

	"vault-renderer/renderer/internal/vault"
)

// Call is one call of secret, secrets, pkiCert or file whose arguments are
// constants.
type Call struct {
	Request vault.Request
	Line    int
	Certain bool // not below an if, else or range: it is made whenever the template runs
}

// Calls gives the calls with constant arguments, in the order of the text.
func (t *Template) Calls() []Call { return t.calls }

func (t *Template) constantCalls(trees map[string]*parse.Tree) []Call {
	f := &finder{t: t}
	if root := trees[""]; root != nil {
		f.list(root.Root, true)
	}
	for _, name := range slices.Sorted(maps.Keys(trees)) {
		if name != "" {
			f.list(trees[name].Root, false)
		}
	}
	return f.calls
}

type finder struct {
	t     *Template
	calls []Call
}

func (f *finder) list(l *parse.ListNode, certain bool) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.ActionNode:
			f.pipe(n.Pipe, certain)
		case *parse.TemplateNode:
			f.pipe(n.Pipe, certain)
		case *parse.IfNode:
			f.branch(&n.BranchNode, certain, false)
		case *parse.RangeNode:
			f.branch(&n.BranchNode, certain, false)
		case *parse.WithNode:
			// A secret that is there is never empty: the body runs.
			f.branch(&n.BranchNode, certain, certain && isSecret(n.Pipe))
		}
	}
}

func (f *finder) branch(n *parse.BranchNode, certain, body bool) {
	f.pipe(n.Pipe, certain)
	f.list(n.List, body)
	f.list(n.ElseList, false)
}

func isSecret(p *parse.PipeNode) bool {
	if p == nil || len(p.Cmds) != 1 || len(p.Cmds[0].Args) == 0 {
		return false
	}
	id, ok := p.Cmds[0].Args[0].(*parse.IdentifierNode)
	return ok && id.Ident == "secret"
}

func (f *finder) pipe(p *parse.PipeNode, certain bool) {
	if p == nil {
		return
	}
	for i, c := range p.Cmds {
		// `and` and `or` stop early: what stands in their arguments is not certain.
		sure := certain
		if id, ok := c.Args[0].(*parse.IdentifierNode); ok {
			switch id.Ident {
			case "and", "or":
				sure = false
			case "secret", "secrets", "pkiCert", "file":
				if i == 0 && !f.t.denied(id.Ident) { // later commands get the piped value as another argument
					f.call(id, c, certain)
				}
			}
		}
		for _, a := range c.Args {
			switch a := a.(type) {
			case *parse.PipeNode:
				f.pipe(a, sure)
			case *parse.ChainNode:
				if inner, ok := a.Node.(*parse.PipeNode); ok {
					f.pipe(inner, sure)
				}
			}
		}
	}
}

func (f *finder) call(id *parse.IdentifierNode, c *parse.CommandNode, certain bool) {
	var args []string
	for _, a := range c.Args[1:] {
		s, ok := a.(*parse.StringNode)
		if !ok {
			return
		}
		args = append(args, s.Text)
	}
	r, ok, err := f.t.constant(id.Ident, args)
	if err != nil || !ok {
		return
	}
	line, _ := position(f.t.spec.Text, id.Pos)
	f.calls = append(f.calls, Call{Request: r, Certain: certain, Line: line})
}

// constant is what a call with these arguments will ask for.
func (t *Template) constant(name string, args []string) (vault.Request, bool, error) {
	if name == "file" {
		ok := len(args) == 1 && strings.TrimSpace(args[0]) != ""
		return vault.Request{Method: vault.MethodFile, Path: strings.TrimSpace(strings.Join(args, ""))}, ok, nil
	}
	r, ok, err := request(name, args)
	if err == nil && ok && name == "pkiCert" {
		r.Params, err = withDestination(r.Params, t.spec.Destination)
	}
	return r, ok, err
}

package tmpl

import (
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"

	"vault-renderer/renderer/internal/vault"
)

// Call is one call of `secret` or `secrets` whose arguments are constants.
type Call struct {
	Request vault.Request
	Line    int
	Certain bool // not below an if, else or range: it is made whenever the template runs
}

// Calls gives the calls with constant arguments, in the order of the text.
func (t *Template) Calls() []Call { return t.calls }

func constantCalls(t *template.Template) []Call {
	f := &finder{}
	if t.Root != nil {
		f.list(t.Root, true)
	}
	for _, d := range t.Templates() {
		if d.Tree != nil && d.Name() != parseName {
			f.list(d.Root, false)
		}
	}
	return f.calls
}

type finder struct {
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
			f.branch(&n.BranchNode, certain, certain && f.isSecret(n.Pipe))
		}
	}
}

func (f *finder) branch(n *parse.BranchNode, certain, body bool) {
	f.pipe(n.Pipe, certain)
	f.list(n.List, body)
	f.list(n.ElseList, false)
}

func (f *finder) isSecret(p *parse.PipeNode) bool {
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
			case "secret", "secrets":
				if i == 0 { // later commands get the piped value as another argument
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
	r, ok, err := request(id.Ident, args)
	if err != nil || !ok {
		return
	}
	f.calls = append(f.calls, Call{Request: r, Certain: certain, Line: lineOf(id)})
}

// lineOf is the line of a node, from the words that text/template has for it.
func lineOf(n *parse.IdentifierNode) int {
	loc, _ := (*parse.Tree)(nil).ErrorContext(n)
	parts := strings.Split(loc, ":")
	if len(parts) < 2 {
		return 0
	}
	line, _ := strconv.Atoi(parts[len(parts)-2])
	return line
}

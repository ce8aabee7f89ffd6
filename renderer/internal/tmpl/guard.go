package tmpl

import (
	"text/template"
	"text/template/parse"
)

// text/template has no way to stop an execution but an error from a function
// or from the writer. Where a template could go on without calling either,
// Parse puts a call of one of these in. They can't be named in a template.
const (
	enterName = "internalEnter"
	leaveName = "internalLeave"
	tickName  = "internalTick"
)

// guard makes every way that an execution can take come by the clock, and
// every recursion by the depth: text/template's own limit of recursion is so
// large that it costs a host its memory first.
func (t *Template) guard(trees map[string]*parse.Tree, funcs template.FuncMap) {
	for _, tree := range trees {
		if tree.Root == nil {
			continue
		}
		g := guard{}
		g.list(tree.Root)
		if g.calls {
			pos := tree.Root.Position()
			tree.Root.Nodes = append([]parse.Node{call(enterName, pos)}, append(tree.Root.Nodes, call(leaveName, pos))...)
			funcs[enterName], funcs[leaveName] = t.enter, t.leave
		}
		if g.ticks {
			funcs[tickName] = t.tick
		}
	}
}

type guard struct {
	calls bool // the tree calls a template
	ticks bool // a range was given a tick
}

func (g *guard) list(l *parse.ListNode) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.TemplateNode:
			g.calls = true
		case *parse.IfNode:
			g.list(n.List)
			g.list(n.ElseList)
		case *parse.WithNode:
			g.list(n.List)
			g.list(n.ElseList)
		case *parse.RangeNode:
			g.list(n.List)
			g.list(n.ElseList)
			if !prints(n.List) {
				n.List.Nodes = append([]parse.Node{call(tickName, n.Position())}, n.List.Nodes...)
				g.ticks = true
			}
		}
	}
}

// prints says whether the list writes something each time before anything can
// leave it: the writer looks at the clock then.
func prints(l *parse.ListNode) bool {
	for _, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.TextNode:
			return true
		case *parse.ActionNode:
			if len(n.Pipe.Decl) == 0 {
				return true
			}
		case *parse.CommentNode:
		default:
			return false
		}
	}
	return false
}

// call is {{ name }} at a place of the text.
func call(name string, pos parse.Pos) parse.Node {
	return &parse.ActionNode{NodeType: parse.NodeAction, Pos: pos, Pipe: &parse.PipeNode{
		NodeType: parse.NodePipe, Pos: pos, Cmds: []*parse.CommandNode{{
			NodeType: parse.NodeCommand, Pos: pos, Args: []parse.Node{parse.NewIdentifier(name).SetPos(pos)},
		}},
	}}
}

// idents gives the function names of a tree in the order of the text.
func idents(l *parse.ListNode) []ident {
	f := &identFinder{}
	f.node(l)
	return f.found
}

type identFinder struct{ found []ident }

func (f *identFinder) node(n parse.Node) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, e := range n.Nodes {
				f.node(e)
			}
		}
	case *parse.ActionNode:
		f.node(n.Pipe)
	case *parse.TemplateNode:
		f.node(n.Pipe)
	case *parse.IfNode:
		f.branch(&n.BranchNode)
	case *parse.RangeNode:
		f.branch(&n.BranchNode)
	case *parse.WithNode:
		f.branch(&n.BranchNode)
	case *parse.PipeNode:
		if n != nil {
			for _, c := range n.Cmds {
				f.node(c)
			}
		}
	case *parse.CommandNode:
		for _, a := range n.Args {
			f.node(a)
		}
	case *parse.ChainNode:
		f.node(n.Node)
	case *parse.IdentifierNode:
		f.found = append(f.found, ident{n.Ident, n.Pos})
	}
}

func (f *identFinder) branch(n *parse.BranchNode) {
	f.node(n.Pipe)
	f.node(n.List)
	f.node(n.ElseList)
}

package policy

import (
	"fmt"
	"strings"
	"text/template/parse"
)

// value is what is known of an expression: all of its text, or what it begins
// with.
type value struct {
	text  string
	whole bool
}

// eval finds out what an expression gives whatever the data are. Only what
// people make paths with is looked into.
func (f *finder) eval(n parse.Node) value {
	switch n := n.(type) {
	case *parse.StringNode:
		return value{n.Text, true}
	case *parse.NumberNode:
		return value{n.Text, n.IsInt && !strings.ContainsAny(n.Text, "'xXoObB_")}
	case *parse.VariableNode:
		p := f.values[n.Ident[0]]
		if len(n.Ident) > 1 || p == nil {
			return value{}
		}
		f.values[n.Ident[0]] = nil // it can't be made of itself
		v := f.eval(p)
		f.values[n.Ident[0]] = p
		return v
	case *parse.PipeNode:
		return f.pipe(n)
	}
	return value{}
}

// pipe evaluates a pipeline: each command gets what the one before gave as its
// last argument.
func (f *finder) pipe(p *parse.PipeNode) value {
	var v value
	for i, c := range p.Cmds {
		var args []value
		for _, a := range c.Args[1:] {
			args = append(args, f.eval(a))
		}
		if i > 0 {
			args = append(args, v)
		}
		id, call := c.Args[0].(*parse.IdentifierNode)
		switch {
		case !call && len(args) == 0:
			v = f.eval(c.Args[0])
		case call && id.Ident == "print":
			v = concat(c, args)
		case call && id.Ident == "printf" && len(args) > 0:
			v = format(args[0], args[1:])
		default:
			v = value{}
		}
	}
	return v
}

// concat is print. It puts a blank between two operands of which neither is a
// string, so that only strings are followed.
func concat(c *parse.CommandNode, args []value) (out value) {
	out.whole = true
	for i, a := range args {
		if i+1 < len(c.Args) {
			if _, number := c.Args[i+1].(*parse.NumberNode); number && len(args) > 1 {
				return value{out.text, false}
			}
		}
		out.text += a.text
		if !a.whole {
			return value{out.text, false}
		}
	}
	return out
}

// format is printf, up to the first verb whose operand is not known.
func format(f value, args []value) value {
	var out strings.Builder
	for s := f.text; s != ""; {
		plain, rest, verb := strings.Cut(s, "%")
		out.WriteString(plain)
		switch {
		case !verb:
			return value{out.String(), f.whole}
		case strings.HasPrefix(rest, "%"):
			out.WriteByte('%')
		case len(args) == 0 || rest == "" || !strings.Contains("svd", rest[:1]):
			return value{out.String(), false}
		default:
			out.WriteString(args[0].text)
			if !args[0].whole {
				return value{out.String(), false}
			}
			args = args[1:]
		}
		s = rest[1:]
	}
	if len(args) > 0 { // printf would complain in its output
		return value{out.String(), false}
	}
	return value{out.String(), f.whole}
}

// String names a need for people: what is done where.
func (n Need) String() string {
	verb := map[string]string{"read": "read", "list": "list the keys below", "write": "write to", "pki": "have a certificate issued at"}[n.Method]
	if n.Computed != "" {
		return fmt.Sprintf("%s what %s gives", verb, n.Computed)
	}
	return verb + " " + n.Path
}

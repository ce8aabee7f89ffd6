package devvault

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl"
	"github.com/hashicorp/hcl/hcl/ast"
)

// policy is a named set of path rules.
type policy struct {
	text  string
	rules []rule
}

// rule grants capabilities on a path pattern.
type rule struct {
	path     string
	caps     []string
	allowed  map[string][]any
	denied   map[string][]any
	required []string
}

var legacyPolicies = map[string][]string{
	"deny":  {"deny"},
	"read":  {"read", "list"},
	"write": {"create", "read", "update", "delete", "list"},
	"sudo":  {"create", "read", "update", "delete", "list", "sudo"},
}

var capabilityNames = []string{"create", "delete", "deny", "list", "patch", "read", "recover", "root", "subscribe", "sudo", "update"}

func parsePolicy(text string) (*policy, error) {
	file, err := hcl.Parse(text)
	if err != nil {
		return nil, err
	}
	root, ok := file.Node.(*ast.ObjectList)
	if !ok {
		return nil, fmt.Errorf("does not contain a root object")
	}
	p := &policy{text: text}
	for _, item := range root.Filter("path").Items {
		r, err := parseRule(item)
		if err != nil {
			return nil, err
		}
		p.rules = append(p.rules, r)
	}
	return p, nil
}

func parseRule(item *ast.ObjectItem) (rule, error) {
	path := ""
	if len(item.Keys) > 0 {
		path, _ = item.Keys[0].Token.Value().(string)
	}
	var body struct {
		Policy       string           `hcl:"policy"`
		Capabilities []string         `hcl:"capabilities"`
		Allowed      map[string][]any `hcl:"allowed_parameters"`
		Denied       map[string][]any `hcl:"denied_parameters"`
		Required     []string         `hcl:"required_parameters"`
	}
	if err := hcl.DecodeObject(&body, item.Val); err != nil {
		return rule{}, fmt.Errorf("path %q: %w", path, err)
	}
	caps := body.Capabilities
	if body.Policy != "" {
		legacy, ok := legacyPolicies[body.Policy]
		if !ok {
			return rule{}, fmt.Errorf("path %q: invalid policy %q", path, body.Policy)
		}
		caps = append(caps, legacy...)
	}
	for _, c := range caps {
		if !slices.Contains(capabilityNames, c) {
			return rule{}, fmt.Errorf("path %q: invalid capability %q", path, c)
		}
	}
	return rule{strings.TrimPrefix(path, "/"), caps, body.Allowed, body.Denied, body.Required}, nil
}

// matches says whether the pattern covers path.
func (ru *rule) matches(path string) bool {
	pattern, glob := strings.CutSuffix(ru.path, "*")
	if !strings.Contains(pattern, "+") {
		return path == pattern || glob && strings.HasPrefix(path, pattern)
	}
	pat, seg := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(seg) < len(pat) || !glob && len(seg) != len(pat) {
		return false
	}
	for i, p := range pat {
		last := i == len(pat)-1
		switch {
		case p == "+":
		case last && glob:
			return strings.HasPrefix(seg[i], p)
		case p != seg[i]:
			return false
		}
	}
	return true
}

// moreSpecific orders patterns as Vault does when several match.
func moreSpecific(a, b string) bool {
	wild := func(s string) int {
		if i := strings.IndexAny(s, "+*"); i >= 0 {
			return i
		}
		return len(s) + 1<<16 // exact beats everything
	}
	if wa, wb := wild(a), wild(b); wa != wb {
		return wa > wb
	}
	if ga, gb := strings.HasSuffix(a, "*"), strings.HasSuffix(b, "*"); ga != gb {
		return gb
	}
	if pa, pb := strings.Count(a, "+"), strings.Count(b, "+"); pa != pb {
		return pa < pb
	}
	if len(a) != len(b) {
		return len(a) > len(b)
	}
	return a > b
}

// rulesFor returns the rules that decide about a path. For a list the real
// server looks for an exact rule with and without the trailing slash first,
// then for a pattern that covers the path without it, then with it: so a deny
// on "a/*" does not stop a list of "a" that "*" allows.
func (s *Server) rulesFor(t *token, path string, list bool) []*rule {
	if !list {
		return s.bestRules(t, path, false)
	}
	path = strings.TrimSuffix(path, "/")
	for _, exact := range []bool{true, false} {
		for _, p := range []string{path, path + "/"} {
			if found := s.bestRules(t, p, exact); len(found) > 0 {
				return found
			}
		}
	}
	return nil
}

// bestRules returns the rules of the most specific pattern that covers path;
// several policies may name the same pattern, and then add up.
func (s *Server) bestRules(t *token, path string, exact bool) []*rule {
	var best []*rule
	for _, name := range t.policies {
		p := s.policies[name]
		if p == nil {
			continue
		}
		for i := range p.rules {
			ru := &p.rules[i]
			if exact && ru.path != path || !ru.matches(path) {
				continue
			}
			switch {
			case len(best) == 0 || moreSpecific(ru.path, best[0].path):
				best = []*rule{ru}
			case ru.path == best[0].path:
				best = append(best, ru)
			}
		}
	}
	return best
}

// capabilities are what t may do on path, sorted.
func (s *Server) capabilities(t *token, path string) []string {
	if slices.Contains(t.policies, "root") {
		return []string{"root"}
	}
	return union(s.rulesFor(t, path, strings.HasSuffix(path, "/")))
}

func union(rules []*rule) []string {
	var caps []string
	for _, ru := range rules {
		caps = append(caps, ru.caps...)
	}
	slices.Sort(caps)
	caps = slices.Compact(caps)
	if len(caps) == 0 || slices.Contains(caps, "deny") {
		return []string{"deny"}
	}
	return caps
}

// allowed decides about a request. rt may be nil (no such path).
func (s *Server) allowed(r *request, rt *route) bool {
	if slices.Contains(r.tok.policies, "root") {
		return true
	}
	rules := s.rulesFor(r.tok, r.path, r.op == opList)
	caps := union(rules)
	need := string(r.op)
	if r.op == opWrite && rt != nil && rt.exists != nil && !rt.exists(r) {
		need = string(opCreate)
	}
	if !slices.Contains(caps, need) {
		return false
	}
	if rt != nil && rt.sudo && !slices.Contains(caps, "sudo") {
		return false
	}
	return r.op != opWrite || slices.ContainsFunc(rules, func(ru *rule) bool { return ru.admits(r.body) })
}

// admits checks the parameter lists of a rule.
func (ru *rule) admits(body map[string]any) bool {
	for _, k := range ru.required {
		if _, ok := body[k]; !ok {
			return false
		}
	}
	for k, v := range body {
		if values, ok := ru.denied[k]; ok && (len(values) == 0 || anyMatch(values, v)) {
			return false
		}
		if _, all := ru.denied["*"]; all {
			return false
		}
		if len(ru.allowed) == 0 {
			continue
		}
		values, ok := ru.allowed[k]
		if !ok {
			values, ok = ru.allowed["*"]
		}
		if !ok || len(values) > 0 && !anyMatch(values, v) {
			return false
		}
	}
	return true
}

func anyMatch(patterns []any, v any) bool {
	s := fmt.Sprint(v)
	return slices.ContainsFunc(patterns, func(p any) bool { return globMatch(fmt.Sprint(p), s) })
}

// globMatch knows a "*" at either end, as the real server does.
func globMatch(pattern, s string) bool {
	head, front := strings.CutPrefix(pattern, "*")
	body, back := strings.CutSuffix(head, "*")
	switch {
	case front && back:
		return strings.Contains(s, body)
	case front:
		return strings.HasSuffix(s, body)
	case back:
		return strings.HasPrefix(s, body)
	}
	return pattern == s
}

// mayUse says whether any rule of t reaches into a mount.
func (s *Server) mayUse(t *token, mountPath string) bool {
	if slices.Contains(t.policies, "root") {
		return true
	}
	for _, name := range t.policies {
		p := s.policies[name]
		if p == nil {
			continue
		}
		for _, ru := range p.rules {
			prefix, _, _ := strings.Cut(strings.TrimSuffix(ru.path, "*"), "+")
			reaches := strings.HasPrefix(prefix, mountPath) || prefix != ru.path && strings.HasPrefix(mountPath, prefix)
			if reaches && !slices.Contains(ru.caps, "deny") && len(ru.caps) > 0 {
				return true
			}
		}
	}
	return false
}

// The capabilities of the real server's built-in policies.
const defaultPolicy = `
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "sys/internal/ui/resultant-acl" { capabilities = ["read"] }
path "sys/renew" { capabilities = ["update"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "sys/leases/lookup" { capabilities = ["update"] }
path "cubbyhole/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "sys/wrapping/wrap" { capabilities = ["update"] }
path "sys/wrapping/lookup" { capabilities = ["update"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }
path "sys/tools/hash" { capabilities = ["update"] }
path "sys/tools/hash/*" { capabilities = ["update"] }
path "sys/control-group/request" { capabilities = ["update"] }
path "identity/oidc/provider/+/authorize" { capabilities = ["read", "update"] }
`

const wrappingPolicy = `
path "cubbyhole/response" { capabilities = ["create", "read"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }
`

func mustPolicy(text string) *policy {
	p, err := parsePolicy(text)
	if err != nil {
		panic("devvault: built-in policy: " + err.Error())
	}
	return p
}

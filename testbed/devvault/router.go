package devvault

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

type handler func(*request) (*response, error)

// route is one path pattern of a mount. "+" matches one segment, a trailing
// "*" the (possibly empty) rest; both land in request.args.
type route struct {
	pattern                   string
	read, write, list, remove handler
	patch                     handler
	// exists decides whether a write needs "create" or "update". Nil: update.
	exists func(*request) bool
	open   bool // needs no token
	sudo   bool
}

func (rt *route) handler(op operation) handler {
	switch op {
	case opRead:
		return rt.read
	case opWrite:
		return rt.write
	case opList:
		return rt.list
	case opDelete:
		return rt.remove
	case opPatch:
		return rt.patch
	}
	return nil
}

// match returns what the wildcards stand for.
func (rt *route) match(path string) (args []string, ok bool) {
	pat := strings.Split(rt.pattern, "/")
	seg := strings.Split(path, "/")
	for i, p := range pat {
		switch {
		case p == "*":
			if i > len(seg) {
				return nil, false
			}
			return append(args, strings.Join(seg[i:], "/")), true
		case i >= len(seg):
			return nil, false
		case p == "+":
			if seg[i] == "" {
				return nil, false
			}
			args = append(args, seg[i])
		case p != seg[i]:
			return nil, false
		}
	}
	return args, len(seg) == len(pat)
}

// mount is an engine or auth method at a path.
type mount struct {
	path     string // "secret/", "auth/approle/"
	kind     string // "kv", "database", "approle", ...
	options  map[string]any
	accessor string
	uuid     string
	desc     string
	routes   []route
}

func (m *mount) route(r *request) *route {
	for i := range m.routes {
		if args, ok := m.routes[i].match(r.rel); ok {
			r.args = args
			return &m.routes[i]
		}
	}
	return nil
}

// findMount returns the mount that a path belongs to.
func (s *Server) findMount(path string) *mount {
	path += "/"
	var best *mount
	for p, m := range s.mounts {
		if strings.HasPrefix(path, p) && (best == nil || len(p) > len(best.path)) {
			best = m
		}
	}
	return best
}

// answer routes one request. The caller holds mu.
func (s *Server) answer(r *request) (*response, error) {
	if resp, err, done := s.answerUnsealedOrNot(r); done {
		return resp, err
	}
	if s.sealed {
		return nil, errSealed
	}
	var rt *route
	if r.mount = s.findMount(r.path); r.mount != nil {
		r.rel = strings.TrimPrefix(strings.TrimPrefix(r.path+"/", r.mount.path), "/")
		r.rel = strings.TrimSuffix(r.rel, "/")
		rt = r.mount.route(r)
	}
	if rt != nil && rt.open {
		h := rt.handler(r.op)
		if h == nil {
			return nil, errBadOperation
		}
		return h(r)
	}
	if err := s.authenticate(r); err != nil {
		return nil, err
	}
	defer s.endUse(r.tok)
	if !s.allowed(r, rt) {
		return nil, errDenied
	}
	switch {
	case r.mount == nil:
		return nil, fail(http.StatusNotFound, fmt.Sprintf("no handler for route %q. route entry not found.", r.path))
	case rt == nil:
		return nil, errBadPath
	}
	h := rt.handler(r.op)
	if h == nil {
		return nil, errBadOperation
	}
	return h(r)
}

// keysUnder makes the answer to a list: the next path segments below prefix,
// "a/" for folders, sorted.
func keysUnder(prefix string, names []string) *response {
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	keys := []string{}
	for _, n := range names {
		rest, ok := strings.CutPrefix(n, prefix)
		if !ok || rest == "" {
			continue
		}
		if head, _, deeper := strings.Cut(rest, "/"); deeper {
			rest = head + "/"
		}
		if !slices.Contains(keys, rest) {
			keys = append(keys, rest)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	slices.Sort(keys)
	return &response{data: map[string]any{"keys": keys}}
}

// listing is keysUnder as a handler's result.
func listing(prefix string, names []string) (*response, error) {
	if resp := keysUnder(prefix, names); resp != nil {
		return resp, nil
	}
	return nil, errNotFound
}

package vault

import (
	"context"
	"encoding/json"
	"net/http"
	"path"
	"strings"
	"sync"
)

// mount is what is known of the engine that serves a path.
type mount struct {
	path string // with its trailing slash; "" = not known: paths go as they are
	kind string // kv, database, pki ...
	v2   bool
}

// mountCache remembers the mounts that were looked up. Only answers are kept,
// never failures.
type mountCache struct {
	mu      sync.Mutex
	known   map[string]mount         // by mount path
	pending map[string]chan struct{} // by first path segment: one look-up at a time
}

// find gives the longest known mount that serves p.
func (c *mountCache) find(p string) (mount, bool) {
	for at := strings.IndexByte(p, '/'); ; {
		var prefix string
		if at < 0 {
			prefix = p + "/"
		} else {
			prefix = p[:at+1]
		}
		if m, ok := c.known[prefix]; ok {
			return m, true // mounts never nest
		}
		if at < 0 {
			return mount{}, false
		}
		next := strings.IndexByte(p[at+1:], '/')
		if next < 0 {
			at = -1
		} else {
			at += 1 + next
		}
	}
}

// knows says whether the mount of p was looked up.
func (c *mountCache) knows(p string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.find(p)
	return ok
}

// claim says whether the caller is to look p up; otherwise wait is closed when
// somebody else has.
func (c *mountCache) claim(p string) (m mount, found bool, wait chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m, ok := c.find(p); ok {
		return m, true, nil
	}
	first, _, _ := strings.Cut(p, "/")
	if ch := c.pending[first]; ch != nil {
		return mount{}, false, ch
	}
	if c.pending == nil {
		c.pending = map[string]chan struct{}{}
		c.known = map[string]mount{}
	}
	c.pending[first] = make(chan struct{})
	return mount{}, false, nil
}

func (c *mountCache) release(p string, m *mount) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first, _, _ := strings.Cut(p, "/")
	close(c.pending[first])
	delete(c.pending, first)
	if m != nil && m.path != "" {
		c.known[m.path] = *m
	}
}

// mount looks up which engine serves p, once per mount.
func (s *Session) mount(ctx context.Context, p string) (mount, error) {
	for {
		m, found, wait := s.c.mounts.claim(p)
		if found {
			return m, nil
		}
		if wait == nil {
			m, err := s.askMount(ctx, p)
			if err != nil {
				s.c.mounts.release(p, nil)
				return mount{}, err
			}
			s.c.mounts.release(p, &m)
			return m, nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return mount{}, ctx.Err()
		}
	}
}

func (s *Session) askMount(ctx context.Context, p string) (mount, error) {
	raw, err := s.c.call(ctx, s.c.api, s.token, "look up the mount of", http.MethodGet, "sys/internal/ui/mounts/"+p, nil, nil)
	switch {
	case err == nil:
	case ClassOf(err) == Denied || ClassOf(err) == NotFound || ClassOf(err) == Invalid:
		// The read itself will say what is wrong, in words about the path.
		return mount{}, nil
	default:
		return mount{}, err
	}
	if raw == nil {
		return mount{}, nil
	}
	m := mount{}
	m.path, _ = raw.Data["path"].(string)
	if m.kind, _ = raw.Data["type"].(string); m.kind == "kv" {
		opts, _ := raw.Data["options"].(map[string]any)
		v, _ := opts["version"].(string)
		m.v2 = v == "2"
	}
	// Seen through a namespace, the mount is named from the root.
	for m.path != "" && !strings.HasPrefix(p+"/", m.path) {
		_, m.path, _ = strings.Cut(m.path, "/")
	}
	if m.path == "" {
		return mount{}, nil // not p's: p goes as it is
	}
	return m, nil
}

// dataPath is where the secret of p is read and written.
func (m mount) dataPath(p string) string {
	return m.insert(p, "data", "data/", "metadata/", "subkeys/")
}

// listPath is where the keys below p are listed.
func (m mount) listPath(p string) string { return m.insert(p, "metadata", "metadata/") }

func (m mount) insert(p, word string, unless ...string) string {
	if !m.v2 {
		return p
	}
	rest := strings.TrimPrefix(p+"/", m.path)
	for _, u := range unless {
		if strings.HasPrefix(rest, u) {
			return p
		}
	}
	return path.Join(m.path, word, rest)
}

// body is the body of a write: version 2 wraps it.
func (m mount) body(params string) map[string]any {
	var kv map[string]any
	if err := json.Unmarshal([]byte(params), &kv); err != nil {
		kv = map[string]any{}
	}
	if m.v2 {
		return map[string]any{"data": kv}
	}
	return kv
}

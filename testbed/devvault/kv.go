package devvault

import (
	"time"

	"github.com/hashicorp/go-secure-stdlib/parseutil"
)

// kv1 is a KV version 1 mount.
type kv1 struct {
	s    *Server
	data map[string]map[string]any
}

func (s *Server) newKV1() []route {
	k := &kv1{s, map[string]map[string]any{}}
	return []route{{
		pattern: "*", read: k.read, write: k.write, remove: k.remove,
		list:   func(r *request) (*response, error) { return listing(r.rel, keysOf(k.data)) },
		exists: func(r *request) bool { return k.data[r.rel] != nil },
	}}
}

func (k *kv1) read(r *request) (*response, error) {
	v := k.data[r.rel]
	if v == nil {
		return nil, errNotFound
	}
	return &response{data: v, leaseTTL: k.ttl(v)}, nil
}

// ttl is only advice: the secret may say itself when to look again.
func (k *kv1) ttl(v map[string]any) time.Duration {
	for _, key := range []string{"ttl", "lease"} {
		if raw, ok := v[key]; ok {
			if d, err := parseutil.ParseDurationSecond(raw); err == nil && d > 0 {
				return d
			}
		}
	}
	return k.s.o.DefaultTTL
}

func (k *kv1) write(r *request) (*response, error) {
	if len(r.body) == 0 {
		return nil, badRequest("missing data fields")
	}
	k.data[r.rel] = r.body
	return nil, nil
}

func (k *kv1) remove(r *request) (*response, error) {
	delete(k.data, r.rel)
	return nil, nil
}

// cubbyholeRoutes is a KV per token that dies with it.
func (s *Server) cubbyholeRoutes() []route {
	return []route{{
		pattern: "*",
		read: func(r *request) (*response, error) {
			v := r.tok.cubbyhole[r.rel]
			if v == nil {
				return nil, errNotFound
			}
			return &response{data: v}, nil
		},
		write: func(r *request) (*response, error) {
			if len(r.body) == 0 {
				return nil, badRequest("missing data fields")
			}
			r.tok.cubbyhole[r.rel] = r.body
			return nil, nil
		},
		remove: func(r *request) (*response, error) {
			delete(r.tok.cubbyhole, r.rel)
			return nil, nil
		},
		list:   func(r *request) (*response, error) { return listing(r.rel, keysOf(r.tok.cubbyhole)) },
		exists: func(r *request) bool { return r.tok.cubbyhole[r.rel] != nil },
	}}
}

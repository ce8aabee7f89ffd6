package watch

import (
	"context"
	"strings"
	"sync"

	"vault-renderer/renderer/internal/vault"
)

// kinds remembers which engines serve which paths.
type kinds struct {
	mu    sync.Mutex
	turn  chan struct{} // one look-up at a time: the next may find its answer
	known map[string]string
	// dark are the first parts of paths whose mount could not be learned with a
	// session.
	dark map[string]*vault.Session
}

// of gives the kind of engine that serves a path, "" when that is not known.
func (k *kinds) of(ctx context.Context, s *vault.Session, path string) string {
	kind, ok, turn := k.find(s, path)
	if ok {
		return kind
	}
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return ""
	}
	if kind, ok, _ := k.find(s, path); ok {
		return kind
	}
	m, err := s.MountOf(ctx, path)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil || m.Path == "" {
		first, _, _ := strings.Cut(path, "/")
		k.dark[first] = s
		return ""
	}
	k.known[m.Path] = m.Type
	return m.Type
}

func (k *kinds) find(s *vault.Session, path string) (kind string, ok bool, turn chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.turn == nil {
		k.turn, k.known, k.dark = make(chan struct{}, 1), map[string]string{}, map[string]*vault.Session{}
	}
	for at := 0; at < len(path); {
		next := strings.IndexByte(path[at:], '/')
		if next < 0 {
			break
		}
		at += next + 1
		if kind, ok := k.known[path[:at]]; ok {
			return kind, true, nil
		}
	}
	first, _, _ := strings.Cut(path, "/")
	return "", k.dark[first] == s, k.turn
}

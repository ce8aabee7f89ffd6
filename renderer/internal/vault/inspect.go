package vault

import (
	"context"
	"net/http"
	"slices"
)

// Mount is the engine that serves a path.
type Mount struct {
	Path string // with its trailing slash; "" = not known
	Type string // kv, database, pki ...
	V2   bool   // a key/value engine of version 2
}

// Data is where the secret of p is read and written.
func (m Mount) Data(p string) string { return mount{path: m.Path, v2: m.V2}.dataPath(p) }

// List is where the keys below p are listed.
func (m Mount) List(p string) string { return mount{path: m.Path, v2: m.V2}.listPath(p) }

// MountOf asks which engine serves p. A Mount without a Path is the answer to a
// token that may do nothing there.
func (s *Session) MountOf(ctx context.Context, p string) (Mount, error) {
	m, err := s.askMount(ctx, p)
	return Mount{Path: m.path, Type: m.kind, V2: m.v2}, err
}

// Capabilities asks what the session's token may do at each of the paths.
func (s *Session) Capabilities(ctx context.Context, paths []string) (map[string][]string, error) {
	const at, atOnce = "sys/capabilities-self", 100
	out := map[string][]string{}
	for some := range slices.Chunk(paths, atOnce) {
		raw, err := s.c.call(ctx, s.c.api, s.token, "ask for capabilities at", http.MethodPut, at, nil, map[string]any{"paths": some})
		if err != nil {
			return nil, err
		}
		if raw == nil {
			return nil, &Error{Op: "ask for capabilities at", Path: at, Class: Transient, Detail: "the answer is empty"}
		}
		for _, p := range some {
			list, _ := raw.Data[p].([]any)
			for _, c := range list {
				if text, ok := c.(string); ok {
					out[p] = append(out[p], text)
				}
			}
		}
	}
	return out, nil
}

// RevokeSelf ends the session's own token and with it all that was leased.
func (s *Session) RevokeSelf(ctx context.Context) error {
	_, err := s.c.call(ctx, s.c.authAPI, s.token, "revoke the token at", http.MethodPut, "auth/token/revoke-self", nil, map[string]any{})
	return err
}

package devvault

import (
	"encoding/json"
	"net/http"
	"time"
)

// wrapped is what a wrapping token holds.
type wrapped struct {
	answer       json.RawMessage
	creationPath string
	ttl          time.Duration
}

type wrapInfo struct {
	Token           string `json:"token"`
	Accessor        string `json:"accessor"`
	TTL             int    `json:"ttl"`
	CreationTime    string `json:"creation_time"`
	CreationPath    string `json:"creation_path"`
	WrappedAccessor string `json:"wrapped_accessor,omitempty"`
}

var errNotWrapped = badRequest("wrapping token is not valid or does not exist")

// wrap puts an answer away and returns one that only tells how to get it.
func (s *Server) wrap(r *request, resp *response, e *envelope) *envelope {
	answer, err := json.Marshal(e)
	if err != nil {
		panic("devvault: an answer that is no JSON: " + err.Error())
	}
	t := s.newWrappingToken(answer, r.path, r.wrapTTL)
	info := wrapInfo{t.id, t.accessor, int(r.wrapTTL / time.Second), stamp(t.created), r.path, ""}
	if resp.auth != nil {
		info.WrappedAccessor = resp.auth.accessor
	} else if a, ok := resp.data["secret_id_accessor"].(string); ok {
		info.WrappedAccessor = a
	}
	return &envelope{RequestID: e.RequestID, WrapInfo: info}
}

func (s *Server) newWrappingToken(answer json.RawMessage, path string, ttl time.Duration) *token {
	t, _, _ := s.newToken(tokenParams{
		path: path, displayName: "wrapped", kind: serviceToken, policies: []string{"response-wrapping"},
		numUses: 1, ttl: ttl, explicitMax: ttl,
	})
	t.wrapped = &wrapped{answer, path, ttl}
	return t
}

func (s *Server) wrappingRoutes() []route {
	return []route{
		{pattern: "wrapping/wrap", write: s.wrapGiven},
		{pattern: "wrapping/unwrap", write: s.unwrap, open: true},
		{pattern: "wrapping/lookup", write: s.lookupWrapped, read: s.lookupWrapped, open: true},
		{pattern: "wrapping/rewrap", write: s.rewrap, open: true},
	}
}

func (s *Server) wrapGiven(r *request) (*response, error) {
	if r.wrapTTL == 0 {
		return nil, badRequest("endpoint requires response wrapping to be used")
	}
	return &response{data: r.body}, nil
}

// wrappingToken finds the token in the body or, without one, in the header.
func (s *Server) wrappingToken(r *request) (t *token, inBody bool, err error) {
	id := r.str("token")
	inBody = id != ""
	if !inBody {
		id = r.clientID
	}
	t = s.tokens[id]
	if t == nil || t.wrapped == nil {
		return nil, inBody, errNotWrapped
	}
	return t, inBody, nil
}

func (s *Server) lookupWrapped(r *request) (*response, error) {
	t, _, err := s.wrappingToken(r)
	if err != nil {
		return nil, err
	}
	return &response{noMount: true, data: map[string]any{
		"creation_path": t.wrapped.creationPath, "creation_time": stamp(t.created),
		"creation_ttl": int(t.wrapped.ttl / time.Second),
	}}, nil
}

// take uses a wrapping token up.
func (s *Server) take(r *request) (*token, error) {
	t, inBody, err := s.wrappingToken(r)
	if err != nil {
		return nil, err
	}
	if inBody && r.clientID != t.id { // somebody else's token does the unwrapping
		if err := s.authenticate(r); err != nil {
			return nil, err
		}
		defer s.endUse(r.tok)
		if !s.allowed(r, nil) {
			return nil, errDenied
		}
	}
	s.revokeToken(t)
	return t, nil
}

func (s *Server) unwrap(r *request) (*response, error) {
	t, err := s.take(r)
	if err != nil {
		return nil, err
	}
	return &response{status: http.StatusOK, wrapped: t.wrapped.answer}, nil
}

func (s *Server) rewrap(r *request) (*response, error) {
	t, err := s.take(r)
	if err != nil {
		return nil, err
	}
	n := s.newWrappingToken(t.wrapped.answer, t.wrapped.creationPath, t.wrapped.ttl)
	info := wrapInfo{n.id, n.accessor, int(t.wrapped.ttl / time.Second), stamp(n.created), t.wrapped.creationPath, ""}
	return &response{raw: &envelope{RequestID: s.uuid(), WrapInfo: info}}, nil
}

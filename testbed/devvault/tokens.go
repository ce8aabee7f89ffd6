package devvault

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

const (
	serviceToken = "service"
	batchToken   = "batch"
)

// token is a client token.
type token struct {
	id, accessor, path string
	displayName        string
	kind               string
	policies           []string
	meta               map[string]string
	entityID           string
	parent             *token
	children           map[*token]struct{}
	leases             map[string]*lease
	orphan, renewable  bool
	numUses            int // 0 = unlimited, -1 = just used up
	wrapped            *wrapped
	cubbyhole          map[string]map[string]any

	ttl                      time.Duration // at creation
	period, explicitMax, max time.Duration
	created, renewed, expire time.Time // expire zero = never
	timer                    *time.Timer
}

// tokenParams is what a login or auth/token/create decides.
type tokenParams struct {
	path, displayName string
	policies          []string
	meta              map[string]string
	parent            *token // nil = orphan
	renewable         bool
	kind              string
	entityID          string
	numUses           int
	ttl, period       time.Duration
	explicitMax, max  time.Duration
}

// newToken makes a token and starts its life.
func (s *Server) newToken(p tokenParams) (*token, time.Duration, []string) {
	t := &token{
		id: s.tokenID(), accessor: s.randomString(24), path: p.path, displayName: p.displayName,
		kind: p.kind, policies: p.policies, meta: p.meta, entityID: p.entityID, parent: p.parent, orphan: p.parent == nil,
		children: map[*token]struct{}{}, leases: map[string]*lease{}, cubbyhole: map[string]map[string]any{},
		renewable: p.renewable, numUses: p.numUses,
		period: p.period, explicitMax: p.explicitMax, max: p.max, created: time.Now(),
	}
	if t.kind == batchToken {
		t.id, t.accessor, t.renewable = "hvb."+s.randomString(100), "", false
	}
	ttl, warnings := s.tokenTTL(t, p.ttl)
	t.ttl = ttl
	s.tokens[t.id] = t
	if p.parent != nil {
		p.parent.children[t] = struct{}{}
	}
	if t.kind == batchToken { // it holds its own times, in seconds
		t.created = t.created.Truncate(time.Second)
	}
	t.expire = t.created.Add(ttl)
	s.startTokenTimer(t)
	return t, ttl, warnings
}

// tokenTTL is how long t may live from now on.
func (s *Server) tokenTTL(t *token, asked time.Duration) (time.Duration, []string) {
	if t.period > 0 {
		if t.explicitMax == 0 {
			return t.period, nil
		}
		return s.capTTL(t.created, t.period, 0, t.explicitMax)
	}
	longest := t.max
	if t.explicitMax > 0 && (longest == 0 || t.explicitMax < longest) {
		longest = t.explicitMax
	}
	return s.capTTL(t.created, asked, t.ttl, longest)
}

func (s *Server) startTokenTimer(t *token) {
	if t.timer != nil {
		t.timer.Stop()
	}
	if t.expire.IsZero() || s.closed {
		return
	}
	t.timer = time.AfterFunc(time.Until(t.expire), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.tokens[t.id] == t && !s.sealed && !time.Now().Before(t.expire) {
			s.revokeToken(t)
		}
	})
}

// revokeToken ends a token, its children, and all their leases.
func (s *Server) revokeToken(t *token) {
	if s.tokens[t.id] != t {
		return
	}
	delete(s.tokens, t.id)
	if t.timer != nil {
		t.timer.Stop()
	}
	if t.parent != nil {
		delete(t.parent.children, t)
	}
	for _, l := range t.leases {
		s.endSoon(l)
	}
	for c := range t.children {
		s.revokeToken(c)
	}
}

// authenticate finds the request's token and counts its use.
func (s *Server) authenticate(r *request) error {
	if r.clientID == "" {
		return errNoToken
	}
	t := s.tokens[r.clientID]
	if t == nil || t.numUses < 0 {
		return errInvalidToken
	}
	switch {
	case t.numUses == 1:
		t.numUses = -1
	case t.numUses > 1:
		t.numUses--
	}
	r.tok = t
	return nil
}

// endUse revokes a token whose last use this was.
func (s *Server) endUse(t *token) {
	if t.numUses < 0 {
		s.revokeToken(t)
	}
}

// authBlock is the "auth" part of an answer.
func (t *token) authBlock(ttl time.Duration) map[string]any {
	return map[string]any{
		"client_token": t.id, "accessor": t.accessor, "policies": t.policies, "token_policies": t.policies,
		"metadata": metaOrNil(t.meta), "lease_duration": int(ttl / time.Second), "renewable": t.renewable,
		"entity_id": t.entityID, "token_type": t.kind, "orphan": t.orphan, "mfa_requirement": nil, "num_uses": t.numUses,
	}
}

func metaOrNil(m map[string]string) any {
	if len(m) == 0 {
		return nil
	}
	return m
}

func (s *Server) tokenRoutes() []route {
	return []route{
		{pattern: "create", write: s.createToken},
		{pattern: "create-orphan", write: s.createToken, sudo: true},
		{pattern: "lookup", write: s.lookupToken, read: s.lookupToken},
		{pattern: "lookup-self", read: s.lookupSelf, write: s.lookupSelf},
		{pattern: "lookup-accessor", write: s.lookupAccessor},
		{pattern: "renew", write: s.renewToken},
		{pattern: "renew-self", write: s.renewSelf},
		{pattern: "revoke", write: s.revokeGiven},
		{pattern: "revoke-self", write: s.revokeSelf},
		{pattern: "revoke-accessor", write: s.revokeAccessor},
		{pattern: "revoke-orphan", write: s.revokeOrphan, sudo: true},
		{pattern: "accessors", list: s.listAccessors, sudo: true},
	}
}

func (s *Server) createToken(r *request) (*response, error) {
	if err := s.mayCreate(r); err != nil {
		return nil, err
	}
	p := tokenParams{
		path: "auth/token/create", displayName: "token", kind: serviceToken, parent: r.tok,
		renewable: r.flag("renewable", true), policies: r.list("policies"), entityID: r.tok.entityID,
	}
	if n := r.str("display_name"); n != "" {
		p.displayName = "token-" + n
	}
	if r.str("type") == batchToken {
		p.kind = batchToken
	}
	if r.rel == "create-orphan" || r.flag("no_parent", false) {
		p.parent = nil
	}
	if m := r.object("meta"); len(m) > 0 {
		p.meta = map[string]string{}
		for k, v := range m {
			p.meta[k] = fmt.Sprint(v)
		}
	}
	err := r.durations(map[string]*time.Duration{"ttl": &p.ttl, "explicit_max_ttl": &p.explicitMax, "period": &p.period})
	if err != nil {
		return nil, err
	}
	if p.numUses, err = r.num("num_uses"); err != nil {
		return nil, err
	}
	if len(p.policies) == 0 {
		p.policies = slices.Clone(r.tok.policies)
	}
	if !r.flag("no_default_policy", false) {
		p.policies = withDefault(p.policies)
	}
	if p.ttl == 0 && p.period == 0 && slices.Equal(p.policies, []string{"root"}) {
		return s.createRoot(p)
	}
	t, ttl, warnings := s.newToken(p)
	return &response{auth: t, leaseTTL: ttl, warnings: append(warnings, s.missingPolicies(p.policies)...)}, nil
}

// mayCreate says what a token must not ask for when it makes another one.
func (s *Server) mayCreate(r *request) error {
	const need = "root or sudo privileges required to "
	caps := s.capabilities(r.tok, r.path)
	privileged := slices.Contains(caps, "sudo") || slices.Contains(caps, "root")
	switch {
	case r.tok.kind == batchToken:
		return badRequest("batch tokens cannot create more tokens")
	case r.tok.numUses != 0:
		return badRequest("restricted use token cannot generate child tokens")
	case privileged:
		return nil
	case r.has("id"):
		return badRequest(need + "specify token id")
	case r.flag("no_parent", false):
		return badRequest(need + "create orphan token")
	case r.has("period"):
		return badRequest(need + "create periodic token")
	}
	for _, p := range r.list("policies") {
		if p != "default" && !slices.Contains(r.tok.policies, p) {
			return badRequest("child policies must be subset of parent")
		}
	}
	return nil
}

// createRoot makes a root token, which never expires.
func (s *Server) createRoot(p tokenParams) (*response, error) {
	t, _, _ := s.newToken(p)
	t.timer.Stop()
	t.expire, t.ttl, t.renewable = time.Time{}, 0, false
	return &response{auth: t}, nil
}

// withDefault sorts policies and adds "default", except to root.
func withDefault(policies []string) []string {
	if slices.Contains(policies, "root") {
		return []string{"root"}
	}
	out := append(slices.Clone(policies), "default")
	slices.Sort(out)
	return slices.Compact(out)
}

func (r *request) durations(fields map[string]*time.Duration) error {
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if !r.has(key) {
			continue
		}
		d, err := r.duration(key)
		if err != nil {
			return err
		}
		*fields[key] = d
	}
	return nil
}

func (s *Server) lookupSelf(r *request) (*response, error) {
	return &response{data: r.tok.describe(r.tok.id)}, nil
}

func (s *Server) lookupToken(r *request) (*response, error) {
	id := r.str("token")
	if id == "" {
		id = r.clientID
	}
	t := s.tokens[id]
	if t == nil {
		return nil, fail(http.StatusForbidden, "bad token")
	}
	return &response{data: t.describe(t.id)}, nil
}

func (s *Server) byAccessor(accessor string) *token {
	for _, t := range s.tokens {
		if t.accessor == accessor && accessor != "" {
			return t
		}
	}
	return nil
}

func (s *Server) lookupAccessor(r *request) (*response, error) {
	t := s.byAccessor(r.str("accessor"))
	if t == nil {
		return nil, badRequest("%s", listed("invalid accessor"))
	}
	return &response{data: t.describe("")}, nil
}

// describe is the answer to a lookup.
func (t *token) describe(id string) map[string]any {
	d := map[string]any{
		"accessor": t.accessor, "creation_time": t.created.Unix(), "creation_ttl": int(t.ttl / time.Second),
		"display_name": t.displayName, "entity_id": t.entityID, "expire_time": stampOrNil(t.expire),
		"explicit_max_ttl": int(t.explicitMax / time.Second), "id": id, "meta": metaOrNil(t.meta),
		"num_uses": t.numUses, "orphan": t.orphan, "path": t.path, "policies": t.policies, "ttl": 0, "type": t.kind,
	}
	if !t.expire.IsZero() {
		d["ttl"] = secondsLeft(t.expire)
		d["issue_time"] = stamp(t.created)
		d["renewable"] = t.renewable
	}
	if t.period > 0 {
		d["period"] = int(t.period / time.Second)
	}
	if !t.renewed.IsZero() {
		d["last_renewal"], d["last_renewal_time"] = stamp(t.renewed), t.renewed.Unix()
	}
	return d
}

func (s *Server) renewSelf(r *request) (*response, error) { return s.renew(r, r.tok) }

func (s *Server) renewToken(r *request) (*response, error) {
	id := r.str("token")
	if id == "" {
		return nil, badRequest("missing token ID")
	}
	t := s.tokens[id]
	if t == nil {
		return nil, badRequest("token not found")
	}
	return s.renew(r, t)
}

func (s *Server) renew(r *request, t *token) (*response, error) {
	asked, err := r.duration("increment")
	if err != nil {
		return nil, err
	}
	if t.expire.IsZero() {
		return nil, badRequest("invalid lease ID")
	}
	if t.kind == batchToken {
		return nil, badRequest("batch tokens cannot be renewed")
	}
	if !t.renewable {
		return nil, badRequest("lease is not renewable")
	}
	ttl, warnings := s.tokenTTL(t, asked)
	t.renewed = time.Now()
	t.expire = t.renewed.Add(ttl)
	s.startTokenTimer(t)
	return &response{auth: t, leaseTTL: ttl, warnings: warnings}, nil
}

var errBatchRevoked = badRequest("batch tokens cannot be revoked")

func (s *Server) revokeSelf(r *request) (*response, error) {
	if r.tok.kind == batchToken {
		return nil, errBatchRevoked
	}
	s.revokeToken(r.tok)
	return nil, nil
}

func (s *Server) revokeGiven(r *request) (*response, error) {
	id := r.str("token")
	if id == "" {
		return nil, badRequest("missing token ID")
	}
	if t := s.tokens[id]; t != nil && t.kind == batchToken {
		return nil, errBatchRevoked
	} else if t != nil {
		s.revokeToken(t)
	}
	return nil, nil
}

// revokeOrphan ends a token but lets its children live on, as orphans.
func (s *Server) revokeOrphan(r *request) (*response, error) {
	t := s.tokens[r.str("token")]
	if t == nil {
		return nil, badRequest("token to revoke not found")
	}
	for c := range t.children {
		c.parent, c.orphan = nil, true
	}
	clear(t.children)
	s.revokeToken(t)
	return nil, nil
}

func (s *Server) revokeAccessor(r *request) (*response, error) {
	t := s.byAccessor(r.str("accessor"))
	if t == nil {
		return &response{warnings: []string{"No token found with this accessor"}}, nil
	}
	s.revokeToken(t)
	return nil, nil
}

func (s *Server) listAccessors(*request) (*response, error) {
	var keys []string
	for _, t := range s.tokens {
		if t.accessor != "" && t.wrapped == nil {
			keys = append(keys, t.accessor)
		}
	}
	return listing("", keys)
}

func (s *Server) missingPolicies(names []string) (warnings []string) {
	for _, n := range names {
		if s.policies[n] == nil && n != "root" {
			warnings = append(warnings, fmt.Sprintf("Policy %q does not exist", n))
		}
	}
	return warnings
}

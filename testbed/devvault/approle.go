package devvault

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

// appRoles is one AppRole mount.
type appRoles struct {
	s     *Server
	roles map[string]*appRole
}

type appRole struct {
	name, roleID, entityID           string
	bindSecretID, noDefault          bool
	policies                         []string
	ttl, maxTTL, period, explicitMax time.Duration
	numUses                          int
	tokenType                        string
	secretTTL                        time.Duration
	secretUses                       int
	secrets                          map[string]*secretID
}

type secretID struct {
	value, accessor  string
	uses             int // 0 = unlimited
	ttl              time.Duration
	created, expires time.Time // expires zero = never
	used             time.Time
	meta             map[string]string
}

func (s *Server) newAppRole() []route {
	a := &appRoles{s, map[string]*appRole{}}
	sub := func(path string) string { return "role/+/" + path }
	return []route{
		{pattern: "login", write: a.login, read: a.login, open: true},
		{pattern: "role", list: func(*request) (*response, error) { return listing("", keysOf(a.roles)) }},
		{
			pattern: "role/+", read: a.readRole, write: a.writeRole, remove: a.removeRole,
			exists: func(r *request) bool { return a.roles[r.args[0]] != nil },
		},
		{pattern: sub("role-id"), read: a.with(a.readRoleID), write: a.with(a.writeRoleID)},
		{pattern: sub("secret-id"), write: a.newSecretID, list: a.with(a.listSecretIDs)},
		{pattern: sub("custom-secret-id"), write: a.newSecretID},
		{pattern: sub("secret-id/lookup"), write: a.with(a.lookupSecretID)},
		{pattern: sub("secret-id/destroy"), write: a.with(a.destroySecretID), remove: a.with(a.destroySecretID)},
		{pattern: sub("secret-id-accessor/lookup"), write: a.with(a.lookupAccessor)},
		{pattern: sub("secret-id-accessor/destroy"), write: a.with(a.destroyAccessor), remove: a.with(a.destroyAccessor)},
	}
}

// with finds the role first.
func (a *appRoles) with(h func(*request, *appRole) (*response, error)) handler {
	return func(r *request) (*response, error) {
		role := a.roles[r.args[0]]
		if role == nil {
			return nil, errNotFound
		}
		return h(r, role)
	}
}

func (a *appRoles) writeRole(r *request) (*response, error) {
	role := &appRole{name: r.args[0], bindSecretID: true, tokenType: "default", secrets: map[string]*secretID{}}
	if old := a.roles[role.name]; old != nil {
		*role = *old
	} else {
		role.roleID, role.entityID = a.s.uuid(), a.s.uuid()
	}
	if err := role.update(r); err != nil {
		return nil, err
	}
	if role.maxTTL > 0 && role.ttl > role.maxTTL {
		return nil, badRequest("'token_ttl' cannot be greater than 'token_max_ttl'")
	}
	if !role.bindSecretID {
		return nil, fmt.Errorf("at least one constraint should be enabled on the role")
	}
	a.roles[role.name] = role
	return nil, nil
}

func (role *appRole) update(r *request) error {
	err := r.durations(map[string]*time.Duration{
		"token_ttl": &role.ttl, "token_max_ttl": &role.maxTTL, "token_period": &role.period, "period": &role.period,
		"token_explicit_max_ttl": &role.explicitMax, "secret_id_ttl": &role.secretTTL,
	})
	if err != nil {
		return err
	}
	for key, to := range map[string]*int{"token_num_uses": &role.numUses, "secret_id_num_uses": &role.secretUses} {
		if !r.has(key) {
			continue
		}
		if *to, err = r.num(key); err != nil {
			return err
		}
	}
	for _, key := range []string{"policies", "token_policies"} {
		if r.has(key) {
			role.policies = r.list(key)
		}
	}
	role.bindSecretID = r.flag("bind_secret_id", role.bindSecretID)
	role.noDefault = r.flag("token_no_default_policy", role.noDefault)
	if r.has("role_id") {
		role.roleID = r.str("role_id")
	}
	if t := r.str("token_type"); t != "" {
		role.tokenType = t
	}
	return nil
}

func (a *appRoles) readRole(r *request) (*response, error) {
	role := a.roles[r.args[0]]
	if role == nil {
		return nil, errNotFound
	}
	secs := func(d time.Duration) int { return int(d / time.Second) }
	data := map[string]any{
		"bind_secret_id": role.bindSecretID, "local_secret_ids": false, "secret_id_bound_cidrs": nil,
		"secret_id_num_uses": role.secretUses, "secret_id_ttl": secs(role.secretTTL), "token_bound_cidrs": []string{},
		"token_explicit_max_ttl": secs(role.explicitMax), "token_max_ttl": secs(role.maxTTL),
		"token_no_default_policy": role.noDefault, "token_num_uses": role.numUses, "token_period": secs(role.period),
		"token_policies": nonNil(role.policies), "token_ttl": secs(role.ttl), "token_type": role.tokenType,
	}
	return &response{data: data}, nil
}

func (a *appRoles) removeRole(r *request) (*response, error) {
	delete(a.roles, r.args[0])
	return nil, nil
}

func (a *appRoles) readRoleID(_ *request, role *appRole) (*response, error) {
	return &response{data: map[string]any{"role_id": role.roleID}}, nil
}

func (a *appRoles) writeRoleID(r *request, role *appRole) (*response, error) {
	role.roleID = r.str("role_id")
	return nil, nil
}

func (a *appRoles) newSecretID(r *request) (*response, error) {
	role := a.roles[r.args[0]]
	if role == nil {
		return nil, fail(http.StatusNotFound, fmt.Sprintf("role %q does not exist", r.args[0]))
	}
	sid := &secretID{
		value: r.str("secret_id"), accessor: a.s.uuid(), uses: role.secretUses, ttl: role.secretTTL, created: time.Now(),
	}
	if sid.value == "" {
		sid.value = a.s.uuid()
	}
	if err := sid.narrow(r, role); err != nil {
		return nil, err
	}
	if sid.ttl > 0 {
		sid.expires = sid.created.Add(sid.ttl)
	}
	if m := r.str("metadata"); m != "" {
		if err := json.Unmarshal([]byte(m), &sid.meta); err != nil {
			return nil, badRequest("failed to parse metadata: %v", err)
		}
	}
	sid.used = sid.created
	role.secrets[sid.value] = sid
	return &response{data: map[string]any{
		"secret_id": sid.value, "secret_id_accessor": sid.accessor, "secret_id_num_uses": sid.uses,
		"secret_id_ttl": int(sid.ttl / time.Second),
	}}, nil
}

// narrow lets a request make a secret_id weaker than its role allows.
func (sid *secretID) narrow(r *request, role *appRole) error {
	if r.has("num_uses") {
		n, err := r.num("num_uses")
		if err != nil {
			return err
		}
		if role.secretUses > 0 && (n == 0 || n > role.secretUses) {
			return badRequest("num_uses cannot be higher than the role's secret_id_num_uses")
		}
		sid.uses = n
	}
	if r.has("ttl") {
		d, err := r.duration("ttl")
		if err != nil {
			return err
		}
		if role.secretTTL > 0 && (d == 0 || d > role.secretTTL) {
			return badRequest("ttl cannot be longer than the role's secret_id_ttl")
		}
		sid.ttl = d
	}
	return nil
}

// secret finds a secret_id that is still good. The real server notices the end
// of a TTL only when it tidies up, about once a minute; here it counts at once.
func (role *appRole) secret(value string) *secretID {
	sid := role.secrets[value]
	if sid != nil && !sid.expires.IsZero() && !time.Now().Before(sid.expires) {
		delete(role.secrets, value)
		return nil
	}
	return sid
}

func (role *appRole) byAccessor(accessor string) *secretID {
	for _, sid := range role.secrets {
		if sid.accessor == accessor {
			return role.secret(sid.value)
		}
	}
	return nil
}

func (a *appRoles) listSecretIDs(_ *request, role *appRole) (*response, error) {
	var keys []string
	for _, sid := range role.secrets {
		if role.secret(sid.value) != nil {
			keys = append(keys, sid.accessor)
		}
	}
	return listing("", keys)
}

func (sid *secretID) describe() *response {
	expires := time.Time{}
	if !sid.expires.IsZero() {
		expires = sid.expires
	}
	meta := sid.meta
	if meta == nil {
		meta = map[string]string{}
	}
	return &response{data: map[string]any{
		"cidr_list": []string{}, "creation_time": stamp(sid.created), "expiration_time": stamp(expires),
		"last_updated_time": stamp(sid.used), "metadata": meta, "secret_id_accessor": sid.accessor,
		"secret_id_num_uses": sid.uses, "secret_id_ttl": int(sid.ttl / time.Second), "token_bound_cidrs": []string{},
	}}
}

func (a *appRoles) lookupSecretID(r *request, role *appRole) (*response, error) {
	if sid := role.secret(r.str("secret_id")); sid != nil {
		return sid.describe(), nil
	}
	return nil, nil
}

func (a *appRoles) destroySecretID(r *request, role *appRole) (*response, error) {
	delete(role.secrets, r.str("secret_id"))
	return nil, nil
}

func (a *appRoles) lookupAccessor(r *request, role *appRole) (*response, error) {
	if sid := role.byAccessor(r.str("secret_id_accessor")); sid != nil {
		return sid.describe(), nil
	}
	return noAccessor(r.str("secret_id_accessor")), nil
}

func noAccessor(accessor string) *response {
	return &response{status: http.StatusNotFound, noMount: true, data: map[string]any{
		"error": fmt.Sprintf("failed to find accessor entry for secret_id_accessor: %q", accessor),
	}}
}

func (a *appRoles) destroyAccessor(r *request, role *appRole) (*response, error) {
	sid := role.byAccessor(r.str("secret_id_accessor"))
	if sid == nil {
		return noAccessor(r.str("secret_id_accessor")), nil
	}
	delete(role.secrets, sid.value)
	return nil, nil
}

var errLogin = badRequest("invalid role or secret ID")

func (a *appRoles) login(r *request) (*response, error) {
	id := r.str("role_id")
	if id == "" {
		return nil, fail(http.StatusInternalServerError, "failed to determine alias name from login request")
	}
	var role *appRole
	for _, candidate := range a.roles {
		if candidate.roleID == id {
			role = candidate
		}
	}
	if role == nil {
		return nil, errLogin
	}
	value := r.str("secret_id")
	if value == "" {
		return nil, badRequest("missing secret_id")
	}
	sid := role.secret(value)
	if sid == nil {
		return nil, errLogin
	}
	sid.use(role)
	return a.issue(r, role, sid), nil
}

func (sid *secretID) use(role *appRole) {
	sid.used = time.Now()
	switch sid.uses {
	case 0:
	case 1:
		delete(role.secrets, sid.value)
	default:
		sid.uses--
	}
}

func (a *appRoles) issue(r *request, role *appRole, sid *secretID) *response {
	meta := map[string]string{"role_name": role.name}
	maps.Copy(meta, sid.meta)
	policies := slices.Sorted(slices.Values(role.policies))
	if !role.noDefault {
		policies = withDefault(policies)
	}
	kind := serviceToken
	if role.tokenType == batchToken {
		kind = batchToken
	}
	t, ttl, warnings := a.s.newToken(tokenParams{
		path: r.path, displayName: "approle", kind: kind, policies: policies, meta: meta, entityID: role.entityID,
		renewable: true, numUses: role.numUses,
		ttl: role.ttl, period: role.period, explicitMax: role.explicitMax, max: role.maxTTL,
	})
	return &response{auth: t, leaseTTL: ttl, warnings: warnings, noMount: true}
}

package devvault

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Connection is how a Database is reached: a MySQL URL of Vault's kind, with
// {{username}} and {{password}} not yet filled in.
type Connection struct{ URL, Username, Password string }

// Database makes and drops accounts. Statements come with their values filled
// in. Calls may come from several goroutines, never while the server holds its
// lock.
type Database interface {
	Ping(ctx context.Context, c Connection) error
	Create(ctx context.Context, c Connection, user, password string, statements []string) error
	Drop(ctx context.Context, c Connection, user string, statements []string) error
	// SetPassword changes the password of the connection's own account.
	SetPassword(ctx context.Context, c Connection, password string, statements []string) error
	// ChangePassword changes the password of an account that was there before.
	ChangePassword(ctx context.Context, c Connection, user, password string, statements []string) error
}

// The statements that the MySQL plugin uses when the configuration has none.
var (
	defaultRevoke = []string{
		"REVOKE ALL PRIVILEGES, GRANT OPTION FROM '{{name}}'@'%'",
		"DROP USER IF EXISTS '{{name}}'@'%'",
	}
	defaultRotate = []string{"ALTER USER '{{username}}'@'%' IDENTIFIED BY '{{password}}'"}
)

// dbEngine is one mount of type database.
type dbEngine struct {
	s     *Server
	conns map[string]*dbConn
	roles map[string]*dbRole

	statics  map[string]*staticRole
	mounted  time.Time
	rotating sync.Mutex // taken before the server's lock
}

type dbConn struct {
	plugin       string
	conn         Connection
	allowedRoles []string
	rotate       []string
	verify       bool
}

type dbRole struct {
	dbName                         string
	creation, revocation, rollback []string
	renew                          []string
	defaultTTL, maxTTL             time.Duration
}

func (s *Server) newDatabase() []route {
	e := &dbEngine{
		s: s, conns: map[string]*dbConn{}, roles: map[string]*dbRole{},
		statics: map[string]*staticRole{}, mounted: time.Now(),
	}
	return append(e.staticRoutes(), []route{
		{pattern: "config", list: func(*request) (*response, error) { return listing("", keysOf(e.conns)) }},
		{
			pattern: "config/+", read: e.readConfig, write: e.writeConfig, remove: e.removeConfig,
			exists: func(r *request) bool { return e.conns[r.args[0]] != nil },
		},
		{pattern: "roles", list: func(*request) (*response, error) { return listing("", keysOf(e.roles)) }},
		{
			pattern: "roles/+", read: e.readRole, write: e.writeRole, remove: e.removeRole,
			exists: func(r *request) bool { return e.roles[r.args[0]] != nil },
		},
		{pattern: "creds/+", read: e.creds},
		{pattern: "rotate-root/+", write: e.rotateRoot},
		{pattern: "reset/+", write: e.reset},
	}...)
}

func keysOf[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func noConnection(name string) error {
	return fmt.Errorf("failed to find entry for connection with name: %q", name)
}

func (e *dbEngine) writeConfig(r *request) (*response, error) {
	name, plugin := r.args[0], r.str("plugin_name")
	old := e.conns[name]
	if plugin == "" && old != nil {
		plugin = old.plugin
	}
	switch plugin {
	case "":
		return nil, badRequest("empty plugin name")
	case "mysql-database-plugin":
	default:
		return nil, badRequest("error creating database object: invalid database version: %s",
			listed("plugin not found in the catalog: "+plugin, "plugin not found in the catalog: "+plugin))
	}
	c := &dbConn{plugin: plugin, verify: true}
	if old != nil {
		*c = *old
	}
	c.update(r)
	if c.conn.URL == "" {
		return nil, badRequest("error creating database object: error initializing: connection_url cannot be empty")
	}
	if c.verify = r.flag("verify_connection", c.verify); c.verify {
		var err error
		e.s.unlocked(func() { err = e.s.o.Database.Ping(r.ctx, c.conn) })
		if err != nil {
			return nil, badRequest("error creating database object: error verifying - ping: %v", err)
		}
	}
	e.conns[name] = c
	return nil, nil
}

func (c *dbConn) update(r *request) {
	if r.has("connection_url") {
		c.conn.URL = r.str("connection_url")
	}
	if r.has("username") {
		c.conn.Username = r.str("username")
	}
	if r.has("password") {
		c.conn.Password = r.str("password")
	}
	if r.has("allowed_roles") {
		c.allowedRoles = r.list("allowed_roles")
	}
	if r.has("root_rotation_statements") {
		c.rotate = r.list("root_rotation_statements")
	}
	if c.allowedRoles == nil {
		c.allowedRoles = []string{}
	}
}

func (e *dbEngine) readConfig(r *request) (*response, error) {
	c := e.conns[r.args[0]]
	if c == nil {
		return nil, errNotFound
	}
	rotate := c.rotate
	if rotate == nil {
		rotate = []string{}
	}
	return &response{data: map[string]any{
		"allowed_roles":                      c.allowedRoles,
		"connection_details":                 map[string]any{"connection_url": c.conn.URL, "username": c.conn.Username},
		"disable_automated_rotation":         false,
		"password_policy":                    "",
		"plugin_name":                        c.plugin,
		"plugin_version":                     "",
		"root_credentials_rotate_statements": rotate,
		"rotation_period":                    0,
		"rotation_schedule":                  "",
		"rotation_window":                    0,
		"skip_static_role_import_rotation":   false,
		"verify_connection":                  c.verify,
	}}, nil
}

func (e *dbEngine) removeConfig(r *request) (*response, error) {
	delete(e.conns, r.args[0])
	return nil, nil
}

func (e *dbEngine) writeRole(r *request) (*response, error) {
	role := &dbRole{}
	if old := e.roles[r.args[0]]; old != nil {
		*role = *old
	}
	for key, to := range map[string]*[]string{
		"creation_statements": &role.creation, "revocation_statements": &role.revocation,
		"rollback_statements": &role.rollback, "renew_statements": &role.renew,
	} {
		if r.has(key) {
			*to = r.statements(key)
		}
	}
	for key, to := range map[string]*time.Duration{"default_ttl": &role.defaultTTL, "max_ttl": &role.maxTTL} {
		if !r.has(key) {
			continue
		}
		var err error
		if *to, err = r.duration(key); err != nil {
			return nil, err
		}
	}
	if r.has("db_name") {
		role.dbName = r.str("db_name")
	}
	if role.dbName == "" {
		return nil, badRequest("database name is required")
	}
	if e.statics[r.args[0]] != nil {
		return nil, errSameName
	}
	e.roles[r.args[0]] = role
	return nil, nil
}

// statements reads a list, or one string, without splitting at commas.
func (r *request) statements(key string) []string {
	out := []string{}
	switch v := r.body[key].(type) {
	case string:
		out = append(out, v)
	case []any:
		for _, s := range v {
			out = append(out, fmt.Sprint(s))
		}
	}
	return out
}

func (e *dbEngine) readRole(r *request) (*response, error) {
	role := e.roles[r.args[0]]
	if role == nil {
		return nil, errNotFound
	}
	return &response{data: map[string]any{
		"creation_statements":   nonNil(role.creation),
		"credential_type":       "password",
		"db_name":               role.dbName,
		"default_ttl":           int(role.defaultTTL / time.Second),
		"max_ttl":               int(role.maxTTL / time.Second),
		"renew_statements":      nonNil(role.renew),
		"revocation_statements": nonNil(role.revocation),
		"rollback_statements":   nonNil(role.rollback),
	}}, nil
}

func nonNil(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}

func (e *dbEngine) removeRole(r *request) (*response, error) {
	delete(e.roles, r.args[0])
	return nil, nil
}

// creds makes an account and its lease.
func (e *dbEngine) creds(r *request) (*response, error) {
	name := r.args[0]
	role := e.roles[name]
	if role == nil {
		return nil, badRequest("unknown role: %s", name)
	}
	c := e.conns[role.dbName]
	if c == nil {
		return nil, noConnection(role.dbName)
	}
	if !allowsRole(c.allowedRoles, name) {
		return nil, fmt.Errorf("%q is not an allowed role", name)
	}
	user, password := e.userName(r.tok.displayName, name), e.password()
	var err error
	e.s.unlocked(func() {
		err = e.s.o.Database.Create(r.ctx, c.conn, user, password, fill(role.creation, user, password))
	})
	if err != nil {
		return nil, err
	}
	l := &lease{
		id: r.path + "/" + e.s.randomString(24), path: r.path, tok: r.tok, renewable: true,
		data: map[string]any{"username": user, "password": password},
		ttls: func() (time.Duration, time.Duration) {
			if now := e.roles[name]; now != nil {
				return now.defaultTTL, now.maxTTL
			}
			return role.defaultTTL, role.maxTTL
		},
		revoke: func(ctx context.Context) error { return e.drop(ctx, name, role, user) },
	}
	ttl, warnings := e.s.addLease(l)
	return &response{data: l.data, lease: l, leaseTTL: ttl, warnings: warnings}, nil
}

// drop runs without the lock. The role is asked as it is now; as it was counts
// only when it is gone.
func (e *dbEngine) drop(ctx context.Context, name string, role *dbRole, user string) error {
	e.s.mu.Lock()
	if now := e.roles[name]; now != nil {
		role = now
	}
	c := e.conns[role.dbName]
	e.s.mu.Unlock()
	if c == nil {
		return noConnection(role.dbName)
	}
	statements := role.revocation
	if len(statements) == 0 {
		statements = defaultRevoke
	}
	return e.s.o.Database.Drop(ctx, c.conn, user, fill(statements, user, ""))
}

func (e *dbEngine) rotateRoot(r *request) (*response, error) {
	c := e.conns[r.args[0]]
	if c == nil {
		return nil, noConnection(r.args[0])
	}
	statements := c.rotate
	if len(statements) == 0 {
		statements = defaultRotate
	}
	password := e.password()
	var err error
	e.s.unlocked(func() {
		err = e.s.o.Database.SetPassword(r.ctx, c.conn, password, fill(statements, c.conn.Username, password))
	})
	if err != nil {
		return nil, fmt.Errorf("failed to update user: %w", err)
	}
	c.conn.Password = password
	return nil, nil
}

func (e *dbEngine) reset(r *request) (*response, error) {
	c := e.conns[r.args[0]]
	if c == nil {
		return nil, noConnection(r.args[0])
	}
	return nil, nil
}

func allowsRole(allowed []string, role string) bool {
	for _, a := range allowed {
		if prefix, glob := strings.CutSuffix(a, "*"); a == role || glob && strings.HasPrefix(role, prefix) {
			return true
		}
	}
	return false
}

// userName is the plugin's default: v-TOKENNAME-ROLE-RANDOM-TIME in 32 bytes.
func (e *dbEngine) userName(display, role string) string {
	name := fmt.Sprintf("v-%s-%s-%s-%d", cut(display, 10), cut(role, 10), e.s.randomString(20), time.Now().Unix())
	return cut(name, 32)
}

// password has the plugin's shape: it passes usual password rules.
func (e *dbEngine) password() string { return e.s.randomString(16) + "-aA0" }

func cut(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// fill replaces the placeholders and splits statements at semicolons, as the
// plugin does.
func fill(statements []string, user, password string) []string {
	values := strings.NewReplacer("{{name}}", user, "{{username}}", user, "{{password}}", password)
	var out []string
	for _, s := range statements {
		for part := range strings.SplitSeq(s, ";") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, values.Replace(part))
			}
		}
	}
	return out
}

// unlocked runs f without the lock. Whoever calls it must expect that the
// world has changed afterwards.
func (s *Server) unlocked(f func()) {
	s.mu.Unlock()
	defer s.mu.Lock()
	f()
}

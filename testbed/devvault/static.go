package devvault

import (
	"fmt"
	"time"
)

// staticRole is an account that is there for good; its password is changed from
// time to time.
type staticRole struct {
	dbName, user string
	statements   []string
	period       time.Duration // 0: schedule counts
	schedule     *schedule
	text         string // of the schedule

	password string
	rotated  time.Time
	timer    *time.Timer
}

const (
	rotationTick  = 5 * time.Second // how often the real server looks for passwords that are due
	rotationRetry = 10 * time.Second
	shortestCycle = 5 * time.Second
)

var errSameName = badRequest("Role and Static Role names must be unique")

func (e *dbEngine) staticRoutes() []route {
	return []route{
		{pattern: "static-roles", list: func(*request) (*response, error) { return listing("", keysOf(e.statics)) }},
		{
			pattern: "static-roles/+", read: e.readStatic, write: e.writeStatic, remove: e.removeStatic,
			exists: func(r *request) bool { return e.statics[r.args[0]] != nil },
		},
		{pattern: "static-creds/+", read: e.staticCreds},
		{pattern: "rotate-role/+", write: e.rotateStatic},
	}
}

// next is when the password is due.
func (role *staticRole) next() time.Time {
	if role.period > 0 {
		return role.rotated.Add(role.period)
	}
	return role.schedule.after(role.rotated)
}

// cycle adds how often the password changes to an answer.
func (role *staticRole) cycle(data map[string]any) map[string]any {
	if role.period > 0 {
		data["rotation_period"] = int(role.period / time.Second)
	} else {
		data["rotation_schedule"] = role.text
	}
	return data
}

func (e *dbEngine) writeStatic(r *request) (*response, error) {
	name := r.args[0]
	old := e.statics[name]
	role := &staticRole{}
	if old != nil {
		*role = *old
	}
	if err := role.update(r, old == nil); err != nil {
		return nil, err
	}
	if e.roles[name] != nil {
		return nil, errSameName
	}
	c := e.conns[role.dbName]
	if c == nil {
		return nil, noConnection(role.dbName)
	}
	if !allowsRole(c.allowedRoles, name) {
		return nil, fmt.Errorf("%q is not an allowed role", name)
	}
	if old != nil {
		*old = *role // in place: a rotation may be under way
		role = old
	} else if err := e.rotate(role); err != nil {
		return nil, err
	}
	e.statics[name] = role
	e.arm(name, role, role.next())
	return nil, nil
}

func (role *staticRole) update(r *request, isNew bool) error {
	if r.has("db_name") {
		role.dbName = r.str("db_name")
	}
	switch {
	case role.dbName == "":
		return badRequest("database name is a required field")
	case isNew && r.str("username") == "":
		return badRequest("username is a required field to create a static account")
	case !isNew && r.str("username") != role.user:
		return badRequest("cannot update static account username")
	}
	role.user = r.str("username")
	if r.has("rotation_statements") {
		role.statements = r.statements("rotation_statements")
	}
	return role.updateCycle(r, isNew)
}

func (role *staticRole) updateCycle(r *request, isNew bool) error {
	periodic, scheduled := r.has("rotation_period"), r.has("rotation_schedule")
	switch {
	case periodic && scheduled:
		return badRequest("mutually exclusive fields rotation_period and rotation_schedule were both specified; only one of them can be provided")
	case isNew && !periodic && !scheduled:
		return badRequest("one of rotation_schedule or rotation_period must be provided to create a static account")
	case periodic && r.has("rotation_window"):
		return badRequest("rotation_window is invalid with use of rotation_period")
	case periodic:
		period, err := r.duration("rotation_period")
		if err != nil {
			return err
		}
		if period < shortestCycle {
			return badRequest("rotation_period must be %d seconds or more", shortestCycle/time.Second)
		}
		role.period, role.schedule, role.text = period, nil, ""
	case scheduled:
		text := r.str("rotation_schedule")
		parsed, err := parseSchedule(text)
		if err != nil {
			return badRequest("could not parse rotation_schedule%%!(EXTRA string=error, *errors.errorString=%v)", err)
		}
		role.period, role.schedule, role.text = 0, parsed, text
	}
	return nil
}

func (e *dbEngine) readStatic(r *request) (*response, error) {
	role := e.statics[r.args[0]]
	if role == nil {
		return nil, errNotFound
	}
	return &response{data: role.cycle(map[string]any{
		"credential_type": "password", "db_name": role.dbName, "last_vault_rotation": stamp(role.rotated),
		"rotation_statements": nonNil(role.statements), "skip_import_rotation": false, "username": role.user,
	})}, nil
}

func (e *dbEngine) removeStatic(r *request) (*response, error) {
	if role := e.statics[r.args[0]]; role != nil {
		role.timer.Stop()
		delete(e.statics, r.args[0])
	}
	return nil, nil
}

func (e *dbEngine) staticCreds(r *request) (*response, error) {
	role := e.statics[r.args[0]]
	if role == nil {
		return nil, badRequest("unknown role: %s", r.args[0])
	}
	left := max(0, time.Until(role.next()).Round(time.Second))
	return &response{data: role.cycle(map[string]any{
		"last_vault_rotation": stamp(role.rotated), "password": role.password, "ttl": int(left / time.Second), "username": role.user,
	})}, nil
}

func (e *dbEngine) rotateStatic(r *request) (*response, error) {
	role := e.statics[r.args[0]]
	if role == nil {
		return nil, badRequest("no static role found for role name")
	}
	if err := e.rotate(role); err != nil {
		return nil, fmt.Errorf("unable to finish rotating credentials; retries will continue in the background but it is also safe to retry manually: %w", err)
	}
	e.arm(r.args[0], role, role.next())
	return nil, nil
}

// rotate gives the account a new password. The caller holds the lock, which is
// free meanwhile.
func (e *dbEngine) rotate(role *staticRole) error {
	c := e.conns[role.dbName]
	if c == nil {
		return noConnection(role.dbName)
	}
	statements := role.statements
	if len(statements) == 0 {
		statements = defaultRotate
	}
	var err error
	e.s.unlocked(func() { err = e.changePassword(role, c.conn, statements) })
	if err != nil {
		return fmt.Errorf("error setting credentials: failed to change password: %w", err)
	}
	return nil
}

// changePassword runs without the server's lock, once at a time: the password
// that is remembered is the one that was set last.
func (e *dbEngine) changePassword(role *staticRole, c Connection, statements []string) error {
	e.rotating.Lock()
	defer e.rotating.Unlock()
	password := e.password()
	err := e.s.o.Database.ChangePassword(e.s.base, c, role.user, password, fill(statements, role.user, password))
	if err != nil {
		return err
	}
	e.s.mu.Lock()
	defer e.s.mu.Unlock()
	role.password, role.rotated = password, time.Now()
	return nil
}

// arm has the password changed at the first tick that is not before due: so it
// is good for up to five seconds after its ttl has come down to 0.
func (e *dbEngine) arm(name string, role *staticRole, due time.Time) {
	if role.timer != nil {
		role.timer.Stop()
	}
	if e.s.closed {
		return
	}
	ticks := (due.Sub(e.mounted) + rotationTick - 1) / rotationTick
	at := e.mounted.Add(ticks * rotationTick)
	role.timer = time.AfterFunc(time.Until(at), func() {
		e.s.mu.Lock()
		defer e.s.mu.Unlock()
		switch {
		case e.s.closed || e.statics[name] != role:
		case e.s.sealed:
			e.arm(name, role, time.Now().Add(rotationTick))
		case e.rotate(role) != nil:
			e.arm(name, role, time.Now().Add(rotationRetry))
		default:
			e.arm(name, role, role.next())
		}
	})
}

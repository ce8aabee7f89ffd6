package conformance

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

const staticUser = "v-static"

// asRoot runs one statement in MySQL.
func (s *suite) asRoot(t *testing.T, statement string) {
	t.Helper()
	conf := mysql.NewConfig()
	conf.Net, conf.Addr, conf.User, conf.Passwd = "tcp", s.MySQLAddr, s.MySQLRootUser, s.MySQLRootPassword
	connector, err := mysql.NewConnector(conf)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	_, err = db.ExecContext(context.WithoutCancel(t.Context()), statement) // also in a Cleanup
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func (s *suite) staticAccount(t *testing.T, user string) {
	t.Helper()
	s.asRoot(t, "CREATE USER '"+user+"'@'%' IDENTIFIED BY 'canary-old'")
	t.Cleanup(func() { s.asRoot(t, "DROP USER IF EXISTS '"+user+"'@'%'") })
}

func (s *suite) staticRoles(t *testing.T) {
	root := s.RootToken
	s.ok(t, root, "PUT", "database/config/mysql-database", map[string]any{"allowed_roles": "mysql-role,short,static,planned,unknown"})
	s.fails(t, root, "GET", "database/static-roles/static", nil, 404)
	s.fails(t, root, "LIST", "database/static-roles", nil, 404)
	s.fails(t, root, "GET", "database/static-creds/static", nil, 400, "unknown role: static")
	s.fails(t, root, "PUT", "database/rotate-role/static", nil, 400, "no static role found for role name")
	s.staticRoleMistakes(t)
	s.staticAccount(t, staticUser)

	const path = "database/static-roles/static"
	s.ok(t, root, "PUT", path, map[string]any{"db_name": "mysql-database", "username": staticUser, "rotation_period": "1h"})
	r := s.ok(t, root, "GET", path, nil)
	r.envelope(t)
	r.shape(t, []string{"data"}, "credential_type:string", "db_name:string", "last_vault_rotation:string", "rotation_period:number",
		"rotation_statements:list", "skip_import_rotation:bool", "username:string")
	r.want(t, 3600, "data", "rotation_period")
	s.ok(t, root, "LIST", "database/static-roles", nil).want(t, []any{"static"}, "data", "keys")
	s.fails(t, root, "PUT", "database/static-creds/static", nil, 405, "1 error occurred:\n\t* unsupported operation\n\n")
	s.fails(t, root, "PUT", "database/roles/static", map[string]any{"db_name": "mysql-database", "creation_statements": "x"}, 400,
		"Role and Static Role names must be unique")
	s.fails(t, root, "GET", "database/creds/static", nil, 400, "unknown role: static")

	s.rotateByHand(t)
	s.rotateBySchedule(t)
	s.rotateInTime(t)
	s.ok(t, root, "DELETE", path, nil)
	s.ok(t, root, "DELETE", path, nil)
	s.fails(t, root, "GET", "database/static-creds/static", nil, 400, "unknown role: static")
}

// staticRoleMistakes checks what a static role must have.
func (s *suite) staticRoleMistakes(t *testing.T) {
	t.Helper()
	good := func(change map[string]any) map[string]any {
		out := map[string]any{"db_name": "mysql-database", "username": staticUser, "rotation_period": "6s"}
		for k, v := range change {
			if out[k] = v; v == nil {
				delete(out, k)
			}
		}
		return out
	}
	for _, c := range []struct {
		change map[string]any
		text   string
	}{
		{map[string]any{"db_name": nil}, "database name is a required field"},
		{map[string]any{"username": nil}, "username is a required field to create a static account"},
		{map[string]any{"rotation_period": nil}, "one of rotation_schedule or rotation_period must be provided to create a static account"},
		{map[string]any{"rotation_period": "2s"}, "rotation_period must be 5 seconds or more"},
		{map[string]any{"rotation_schedule": "* * * * *"}, "mutually exclusive fields rotation_period and rotation_schedule were both specified; only one of them can be provided"},
		{map[string]any{"rotation_window": "1h"}, "rotation_window is invalid with use of rotation_period"},
		{map[string]any{"rotation_period": nil, "rotation_schedule": "bogus"}, "could not parse rotation_schedule%!(EXTRA string=error, *errors.errorString=expected exactly 5 fields, found 1: [bogus])"},
	} {
		s.fails(t, s.RootToken, "PUT", "database/static-roles/static", good(c.change), 400, c.text)
	}
	s.fails(t, s.RootToken, "PUT", "database/static-roles/mysql-role", good(nil), 400, "Role and Static Role names must be unique")
	s.fails(t, s.RootToken, "PUT", "database/static-roles/static", good(map[string]any{"db_name": "nope"}), 500,
		"1 error occurred:\n\t* failed to find entry for connection with name: \"nope\"\n\n")
	s.fails(t, s.RootToken, "PUT", "database/static-roles/refused", good(nil), 500,
		"1 error occurred:\n\t* \"refused\" is not an allowed role\n\n")
	s.fails(t, s.RootToken, "PUT", "database/static-roles/unknown", good(map[string]any{"username": "v-nobody"}), 500,
		"1 error occurred:\n\t* error setting credentials: failed to change password: Error 1396 (HY000): Operation ALTER USER failed for 'v-nobody'@'%'\n\n")
	s.fails(t, s.RootToken, "GET", "database/static-roles/unknown", nil, 404)
}

// staticCreds reads a password and checks that it is the account's.
func (s *suite) staticCreds(t *testing.T, name string) (r reply, password string) {
	t.Helper()
	r = s.ok(t, s.RootToken, "GET", "database/static-creds/"+name, nil)
	r.envelope(t)
	r.want(t, "", "lease_id")
	r.want(t, false, "renewable")
	r.want(t, 0, "lease_duration")
	password = r.str("data", "password")
	if !s.logsIn(t, r.str("data", "username"), password) {
		t.Fatalf("the password of %s is not the account's", name)
	}
	return r, password
}

func (s *suite) rotateByHand(t *testing.T) {
	t.Helper()
	r, old := s.staticCreds(t, "static")
	r.shape(t, []string{"data"}, "last_vault_rotation:string", "password:string", "rotation_period:number", "ttl:number", "username:string")
	r.want(t, 3600, "data", "ttl")
	before := r.str("data", "last_vault_rotation")
	if at, err := time.Parse(time.RFC3339Nano, before); err != nil || time.Since(at) > time.Minute {
		t.Errorf("rotated at %s, %v", before, err)
	}
	s.ok(t, s.RootToken, "PUT", "database/rotate-role/static", nil)
	r, password := s.staticCreds(t, "static")
	if password == old || r.str("data", "last_vault_rotation") == before || s.logsIn(t, staticUser, old) {
		t.Error("not rotated")
	}
	s.fails(t, s.RootToken, "PUT", "database/static-roles/static", map[string]any{"rotation_period": "10s"}, 400, "cannot update static account username")
	s.fails(t, s.RootToken, "PUT", "database/static-roles/static", map[string]any{"username": "v-other"}, 400, "cannot update static account username")
	s.ok(t, s.RootToken, "PUT", "database/static-roles/static", map[string]any{"username": staticUser, "rotation_period": "1m"})
	r, unchanged := s.staticCreds(t, "static")
	r.want(t, 60, "data", "rotation_period")
	if ttl := r.num("data", "ttl"); ttl < 50 || ttl > 60 || unchanged != password {
		t.Errorf("after another period: ttl %d, the same password: %v", ttl, unchanged == password)
	}
	s.asRoot(t, "DROP USER '"+staticUser+"'@'%'")
	s.fails(t, s.RootToken, "PUT", "database/rotate-role/static", nil, 500,
		"1 error occurred:\n\t* unable to finish rotating credentials; retries will continue in the background but it is also safe to retry manually: "+
			"error setting credentials: failed to change password: Error 1396 (HY000): Operation ALTER USER failed for '"+staticUser+"'@'%'\n\n")
	s.ok(t, s.RootToken, "GET", "database/static-creds/static", nil).want(t, password, "data", "password")
	s.asRoot(t, "CREATE USER '"+staticUser+"'@'%' IDENTIFIED BY 'canary-old'")
	s.ok(t, s.RootToken, "PUT", "database/rotate-role/static", nil)
	s.staticCreds(t, "static")
}

func (s *suite) rotateBySchedule(t *testing.T) {
	t.Helper()
	s.staticAccount(t, "v-planned")
	const path = "database/static-roles/planned"
	s.ok(t, s.RootToken, "PUT", path, map[string]any{
		"db_name": "mysql-database", "username": "v-planned", "rotation_schedule": "0 * * * *",
		"rotation_statements": "ALTER USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'",
	})
	r := s.ok(t, s.RootToken, "GET", path, nil)
	r.shape(t, []string{"data"}, "credential_type:string", "db_name:string", "last_vault_rotation:string", "rotation_schedule:string",
		"rotation_statements:list", "skip_import_rotation:bool", "username:string")
	r, _ = s.staticCreds(t, "planned")
	r.shape(t, []string{"data"}, "last_vault_rotation:string", "password:string", "rotation_schedule:string", "ttl:number", "username:string")
	left := time.Until(time.Now().Truncate(time.Hour).Add(time.Hour))
	if ttl := time.Duration(r.num("data", "ttl")) * time.Second; ttl < left-2*time.Second || ttl > left+2*time.Second {
		t.Errorf("ttl %v, %v left of the hour", ttl, left)
	}
	s.ok(t, s.RootToken, "DELETE", path, nil)
}

// rotateInTime: the password changes up to one look of Vault (5 s) after its
// ttl has come down to 0.
func (s *suite) rotateInTime(t *testing.T) {
	t.Helper()
	s.ok(t, s.RootToken, "PUT", "database/static-roles/static", map[string]any{"username": staticUser, "rotation_period": "5s"})
	s.ok(t, s.RootToken, "PUT", "database/rotate-role/static", nil)
	start := time.Now()
	r, old := s.staticCreds(t, "static")
	r.want(t, 5, "data", "ttl")
	eventually(t, "the password changes by itself", func() bool {
		r := s.ok(t, s.RootToken, "GET", "database/static-creds/static", nil)
		if ttl := r.num("data", "ttl"); ttl < 0 || ttl > 5 {
			t.Errorf("ttl %d", ttl)
		}
		return r.str("data", "password") != old
	})
	if after := time.Since(start); after < 4*time.Second || after > 11*time.Second {
		t.Errorf("changed after %v", after)
	}
	s.staticCreds(t, "static")
	if s.logsIn(t, staticUser, old) {
		t.Error("the old password is good")
	}
}

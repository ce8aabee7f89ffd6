package devvault_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/api"

	"vault-renderer/testbed/devvault"
)

// withStatic prepares a static role of the account "app".
func withStatic(t *testing.T, cycle map[string]any) (*devvault.Server, *devvault.Memory, *api.Client) {
	t.Helper()
	s, db, c := withDatabase(t)
	write(t, c, "database/config/db", map[string]any{"allowed_roles": "app,fixed"})
	if err := db.Add("app", "canary-old"); err != nil {
		t.Fatal(err)
	}
	body := map[string]any{"db_name": "db", "username": "app"}
	for k, v := range cycle {
		body[k] = v
	}
	write(t, c, "database/static-roles/fixed", body)
	return s, db, c
}

// password reads it and checks that it is good.
func password(t *testing.T, db *devvault.Memory, c *api.Client) (password, ttl string) {
	t.Helper()
	s := read(t, c, "database/static-creds/fixed")
	password, _ = s.Data["password"].(string)
	if !db.Login("app", password) {
		t.Fatal("the password is not the account's")
	}
	return password, jsonNumber(s.Data["ttl"])
}

func jsonNumber(v any) string {
	if n, ok := v.(interface{ String() string }); ok {
		return n.String()
	}
	return ""
}

func TestStaticRoleInFakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, db, c := withStatic(t, map[string]any{"rotation_period": "24h"})
		first, ttl := password(t, db, c)
		if ttl != "86400" || db.Login("app", "canary-old") {
			t.Errorf("ttl %s", ttl)
		}
		time.Sleep(24*time.Hour - time.Second)
		if same, ttl := password(t, db, c); same != first || ttl != "1" {
			t.Errorf("the same %v, ttl %s", same == first, ttl)
		}
		time.Sleep(time.Second)
		synctest.Wait() // a whole number of looks after the mount was made
		if second, ttl := password(t, db, c); second == first || ttl != "86400" {
			t.Errorf("the same %v, ttl %s", second == first, ttl)
		}
	})
}

// TestStaticRoleIsLate: the password is good for up to five seconds after its
// time.
func TestStaticRoleIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, db, c := withStatic(t, map[string]any{"rotation_period": "6s"})
		first, _ := password(t, db, c)
		time.Sleep(9 * time.Second)
		if same, ttl := password(t, db, c); same != first || ttl != "0" {
			t.Errorf("the same %v, ttl %s", same == first, ttl)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if second, ttl := password(t, db, c); second == first || ttl != "6" {
			t.Errorf("the same %v, ttl %s", second == first, ttl)
		}
	})
}

func TestStaticRoleWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, db, c := withStatic(t, map[string]any{"rotation_schedule": "*/2 * * * *"})
		first, ttl := password(t, db, c)
		if ttl != "120" {
			t.Errorf("ttl %s", ttl)
		}
		db.SetError(errors.New("database down"))
		time.Sleep(3 * time.Minute)
		db.SetError(nil)
		if same, ttl := password(t, db, c); same != first || ttl != "0" {
			t.Errorf("the same %v, ttl %s", same == first, ttl)
		}
		if err := c.Sys().Seal(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if !db.Login("app", first) {
			t.Error("changed while sealed")
		}
		if _, err := c.Sys().Unseal(s.UnsealKey()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if second, _ := password(t, db, c); second == first {
			t.Error("never changed")
		}
	})
}

// TestLeaseOutlivesItsToken: what a token leased is dropped a moment after it;
// until then the lease is there, with nothing left of it.
func TestLeaseOutlivesItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, db, root := withDatabase(t)
		tok := write(t, root, "auth/token/create", map[string]any{"ttl": "1h", "policies": []string{"root"}})
		c := client(t, s, tok.Auth.ClientToken)
		cred := read(t, c, "database/creds/app")
		if err := c.Auth().Token().RevokeSelf(""); err != nil {
			t.Fatal(err)
		}
		l, err := root.Sys().Lookup(cred.LeaseID)
		if err != nil || jsonNumber(l.Data["ttl"]) != "0" || l.Data["renewable"] != false || len(db.Users()) != 1 {
			t.Errorf("%+v, %v, %v", l, err, db.Users())
		}
		time.Sleep(10 * time.Millisecond)
		if _, err := root.Sys().Lookup(cred.LeaseID); err == nil || len(db.Users()) != 0 {
			t.Errorf("%v, %v", err, db.Users())
		}
	})
}

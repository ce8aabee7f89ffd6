package devvault_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/api"

	"vault-renderer/testbed/devvault"
)

func client(t *testing.T, s *devvault.Server, token string) *api.Client {
	t.Helper()
	conf := api.DefaultConfig()
	conf.Address, conf.MaxRetries = "http://vault", 0
	conf.HttpClient = &http.Client{Transport: s.Transport()}
	c, err := api.NewClient(conf)
	if err != nil {
		t.Fatal(err)
	}
	c.SetToken(token)
	return c
}

func write(t *testing.T, c *api.Client, path string, data map[string]any) *api.Secret {
	t.Helper()
	s, err := c.Logical().WriteWithContext(t.Context(), path, data)
	if err != nil {
		t.Fatalf("write %s: %v", path, err)
	}
	return s
}

func read(t *testing.T, c *api.Client, path string) *api.Secret {
	t.Helper()
	s, err := c.Logical().ReadWithContext(t.Context(), path)
	if err != nil || s == nil {
		t.Fatalf("read %s: %v %v", path, s, err)
	}
	return s
}

// withDatabase prepares a role with a TTL of 60 s and a maximum of 180 s.
func withDatabase(t *testing.T) (*devvault.Server, *devvault.Memory, *api.Client) {
	t.Helper()
	db := &devvault.Memory{}
	s := devvault.New(devvault.Options{Database: db})
	t.Cleanup(s.Close)
	c := client(t, s, s.RootToken())
	if err := c.Sys().Mount("database", &api.MountInput{Type: "database"}); err != nil {
		t.Fatal(err)
	}
	write(t, c, "database/config/db", map[string]any{
		"plugin_name": "mysql-database-plugin", "connection_url": "{{username}}:{{password}}@tcp(db:3306)/", "allowed_roles": "app",
	})
	write(t, c, "database/roles/app", map[string]any{
		"db_name": "db", "creation_statements": "CREATE USER", "default_ttl": "60s", "max_ttl": "180s",
	})
	return s, db, c
}

func TestLeaseLifeInFakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, db, c := withDatabase(t)
		cred := read(t, c, "database/creds/app")
		if !cred.Renewable || cred.LeaseDuration != 60 {
			t.Fatalf("%+v", cred)
		}
		user, _ := cred.Data["username"].(string)
		password, _ := cred.Data["password"].(string)
		if !db.Login(user, password) {
			t.Fatal("no account")
		}
		for i, want := range []int{60, 60, 30} { // renewed at 50, 100 and 150 s
			time.Sleep(50 * time.Second)
			r, err := c.Sys().RenewWithContext(t.Context(), cred.LeaseID, 0)
			if err != nil || r.LeaseDuration != want {
				t.Fatalf("renewal %d: %+v %v", i, r, err)
			}
			if truncated := want < 60; truncated != (len(r.Warnings) == 1) {
				t.Fatalf("renewal %d: warnings %q", i, r.Warnings)
			}
		}
		time.Sleep(30*time.Second - time.Millisecond)
		synctest.Wait()
		if len(db.Users()) != 1 {
			t.Fatal("dropped before its time")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if len(db.Users()) != 0 {
			t.Fatal("the lease ended and the account lives")
		}
	})
}

func TestLeaseDiesWithItsTokenAndItsParents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, db, root := withDatabase(t)
		parent := write(t, root, "auth/token/create", map[string]any{"ttl": "30s", "policies": []string{"root"}})
		pc := client(t, s, parent.Auth.ClientToken)
		child := write(t, pc, "auth/token/create", map[string]any{"ttl": "1h", "policies": []string{"root"}})
		read(t, client(t, s, child.Auth.ClientToken), "database/creds/app")
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if u := db.Users(); len(u) != 0 {
			t.Fatalf("accounts outlived the parent token: %v", u)
		}
		_, err := client(t, s, child.Auth.ClientToken).Auth().Token().LookupSelf()
		if err == nil || !strings.Contains(err.Error(), "invalid token") {
			t.Fatalf("the child token: %v", err)
		}
	})
}

func TestNothingExpiresWhileSealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, db, c := withDatabase(t)
		read(t, c, "database/creds/app")
		if err := c.Sys().Seal(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(db.Users()) != 1 {
			t.Fatal("a sealed Vault dropped an account")
		}
		if _, err := c.Logical().Read("database/creds/app"); err == nil || !strings.Contains(err.Error(), "Vault is sealed") {
			t.Fatalf("sealed: %v", err)
		}
		if _, err := c.Sys().Unseal(s.UnsealKey()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(db.Users()) != 0 {
			t.Fatal("the overdue account lives after unsealing")
		}
	})
}

func TestFailedDropIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, db, c := withDatabase(t)
		read(t, c, "database/creds/app")
		db.SetError(errors.New("database down"))
		time.Sleep(90 * time.Second)
		synctest.Wait()
		if len(db.Users()) != 1 {
			t.Fatal("dropped while the database was down")
		}
		db.SetError(nil)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if len(db.Users()) != 0 {
			t.Fatal("never dropped")
		}
	})
}

func TestCloseEndsAllTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, db, c := withDatabase(t)
		read(t, c, "database/creds/app")
		s.Close()
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(db.Users()) != 1 {
			t.Fatal("something expired after Close")
		}
	})
}

func TestRequestsAndFaults(t *testing.T) {
	s := devvault.New(devvault.Options{})
	defer s.Close()
	c := client(t, s, s.RootToken())
	s.SetFault(func(r *http.Request) (int, bool) { return 500, strings.HasSuffix(r.URL.Path, "/lookup-self") })
	_, err := c.Auth().Token().LookupSelf()
	var re *api.ResponseError
	if !errors.As(err, &re) || re.StatusCode != 500 {
		t.Fatalf("fault: %v", err)
	}
	s.SetFault(func(*http.Request) (int, bool) { return 0, true })
	if _, err := c.Auth().Token().LookupSelf(); !errors.Is(err, devvault.ErrConnection) {
		t.Fatalf("broken connection: %v", err)
	}
	s.SetFault(nil)
	if _, err := c.Auth().Token().LookupSelf(); err != nil {
		t.Fatal(err)
	}
	want := slices.Repeat([]string{"GET /v1/auth/token/lookup-self"}, 3)
	if got := s.Requests(); !slices.Equal(got, want) {
		t.Fatalf("requests %q", got)
	}
	s.ResetRequests()
	if got := s.Requests(); len(got) != 0 {
		t.Fatalf("after reset %q", got)
	}
}

func TestTransportHonoursTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := devvault.New(devvault.Options{})
		defer s.Close()
		s.SetFault(func(r *http.Request) (int, bool) {
			<-r.Context().Done() // a server that hangs
			return 0, false
		})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		_, err := client(t, s, s.RootToken()).Auth().Token().LookupSelfWithContext(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Fatalf("%v after %v", err, time.Since(start))
		}
	})
}

func TestNoNamespaces(t *testing.T) {
	s := devvault.New(devvault.Options{})
	defer s.Close()
	c := client(t, s, s.RootToken())
	c.SetNamespace("team-a")
	if _, err := c.Auth().Token().LookupSelf(); err != nil { // ignored, as the real server does
		t.Fatal(err)
	}
}

package vault

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/testbed/devvault"
)

// leasing runs f with a root session on a Vault whose role "app" leases for a
// minute.
func leasing(t *testing.T, f func(t *testing.T, s *Session, db *devvault.Memory, dev *devvault.Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		db := &devvault.Memory{}
		dev := devvault.New(devvault.Options{Database: db, RootToken: "canary-token"})
		defer dev.Close()
		s := session(t, dev.Transport(), Options{})
		for path, body := range map[string]string{
			"sys/mounts/database":    `{"type":"database"}`,
			"sys/policies/acl/reads": `{"policy":"path \"database/creds/*\" { capabilities = [\"read\"] } path \"auth/token/create\" { capabilities = [\"update\"] }"}`,
		} {
			put(t, s, path, body)
		}
		put(t, s, "database/config/db", `{"plugin_name":"mysql-database-plugin","connection_url":"tcp(db)/","allowed_roles":"*"}`)
		put(t, s, "database/roles/app", `{"db_name":"db","creation_statements":"x","default_ttl":"60s","max_ttl":"120s"}`)
		f(t, s, db, dev)
	})
}

func put(t *testing.T, s *Session, path, body string) *Secret {
	t.Helper()
	out, err := s.Fetch(t.Context(), Request{Method: MethodWrite, Path: path, Params: body})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func leased(t *testing.T, s *Session) lease.Lease {
	t.Helper()
	out, err := s.Fetch(t.Context(), Request{Method: MethodRead, Path: "database/creds/app"})
	if err != nil {
		t.Fatal(err)
	}
	return out.Lease
}

func TestLookUpAndRevoke(t *testing.T) {
	leasing(t, func(t *testing.T, s *Session, db *devvault.Memory, _ *devvault.Server) {
		l := leased(t, s)
		time.Sleep(20 * time.Second)
		now, err := s.LookupLease(t.Context(), l)
		if err != nil || now.TTL != 40*time.Second || !now.Renewable || now.ID != l.ID || !now.IssuedAt.Equal(time.Now()) {
			t.Errorf("%+v, %v", now, err)
		}
		db.SetError(errors.New("database down"))
		if err := s.RevokeLease(t.Context(), l.ID); err == nil || !strings.Contains(err.Error(), "database down") || strings.Contains(err.Error(), l.ID) {
			t.Errorf("while the database is down: %v", err)
		}
		if now, err := s.LookupLease(t.Context(), l); err != nil || now.TTL != 40*time.Second {
			t.Errorf("a lease that was not revoked: %+v, %v", now, err)
		}
		db.SetError(nil)
		for range 2 { // the second time there is nothing to do
			if err := s.RevokeLease(t.Context(), l.ID); err != nil || len(db.Users()) != 0 {
				t.Errorf("%v, accounts %v", err, db.Users())
			}
		}
		if _, err := s.LookupLease(t.Context(), l); ClassOf(err) != LeaseGone || err == nil {
			t.Errorf("%v", err)
		}
	})
}

// TestChild: what a child leased ends with the child, and is gone for all
// purposes before its account is.
func TestChild(t *testing.T) {
	leasing(t, func(t *testing.T, s *Session, db *devvault.Memory, _ *devvault.Server) {
		parents := leased(t, s)
		child, err := s.Child(t.Context())
		if err != nil || child.Token().Equal(s.Token()) || child.N != s.N {
			t.Fatalf("%+v, %v", child, err)
		}
		l := leased(t, child)
		if err := child.RevokeSelf(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.LookupLease(t.Context(), l); err == nil || ClassOf(err) != LeaseGone {
			t.Errorf("look-up: %v", err)
		}
		if _, err := s.RenewLease(t.Context(), l, time.Minute); err == nil || ClassOf(err) != LeaseGone {
			t.Errorf("renewal: %v", err)
		}
		time.Sleep(time.Second)
		if n := len(db.Users()); n != 1 {
			t.Errorf("%d accounts", n)
		}
		if _, err := s.LookupLease(t.Context(), parents); err != nil {
			t.Errorf("the parent's: %v", err)
		}
		if err := child.LookupSelf(t.Context()); err == nil || ClassOf(err) != InvalidToken {
			t.Errorf("the child: %v", err)
		}
	})
}

// TestNoChildren: some tokens may not have any.
func TestNoChildren(t *testing.T) {
	leasing(t, func(t *testing.T, s *Session, _ *devvault.Memory, _ *devvault.Server) {
		for _, body := range []string{`{"policies":["reads"],"type":"batch"}`, `{"policies":["reads"],"num_uses":9}`} {
			tok := put(t, s, "auth/token/create", body).Auth.ClientToken
			if c, err := s.c.With(tok, 2).Child(t.Context()); err == nil || ClassOf(err) != Invalid {
				t.Errorf("%s: %v, %v", body, c, err)
			}
		}
		tok := put(t, s, "auth/token/create", `{"policies":["default"]}`).Auth.ClientToken
		if c, err := s.c.With(tok, 2).Child(t.Context()); err == nil || ClassOf(err) != Denied {
			t.Errorf("without the policy: %v, %v", c, err)
		}
	})
}

// TestAnswersThatDoNotArrive: a fetch whose answer is lost or cut off can be
// tried again, although Vault has leased something.
func TestAnswersThatDoNotArrive(t *testing.T) {
	leasing(t, func(t *testing.T, s *Session, db *devvault.Memory, dev *devvault.Server) {
		child, err := s.Child(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i, fault := range []devvault.Fault{{Lose: true}, {Cut: true}} {
			dev.SetFaults(func(r *http.Request) devvault.Fault {
				if strings.Contains(r.URL.Path, "creds") {
					return fault
				}
				return devvault.Fault{}
			})
			_, err := child.Fetch(t.Context(), Request{Method: MethodRead, Path: "database/creds/app"})
			var e *Error
			if !errors.As(err, &e) || !e.Temporary() || len(db.Users()) != i+1 {
				t.Errorf("%+v: %v, accounts %v", fault, err, db.Users())
			}
		}
		dev.SetFaults(nil)
		if err := child.RevokeSelf(t.Context()); err != nil { // ends what nobody knows the ids of
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if n := len(db.Users()); n != 0 {
			t.Errorf("%d accounts", n)
		}
	})
}

func TestRetryAfterArrives(t *testing.T) {
	leasing(t, func(t *testing.T, s *Session, _ *devvault.Memory, dev *devvault.Server) {
		for _, status := range []int{429, 503} {
			dev.SetFaults(func(*http.Request) devvault.Fault { return devvault.Fault{Status: status, RetryAfter: 7 * time.Second} })
			_, err := s.LookupLease(t.Context(), lease.Lease{ID: "x/y"})
			if err == nil || ClassOf(err) != Transient || RetryAfter(err) != 7*time.Second {
				t.Errorf("%d: %v, %v", status, err, RetryAfter(err))
			}
		}
	})
}

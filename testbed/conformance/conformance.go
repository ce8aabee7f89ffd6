// Package conformance is one suite of questions about Vault's API, asked to
// the real server and to package devvault, so that the second cannot drift from
// the first. It compares what clients rely on: status codes, JSON fields and
// their types, texts of errors and warnings, and the MySQL accounts behind
// leases.
//
// It does not test Vault, only the behaviour this project counts on.
package conformance

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/hashicorp/vault/api"
)

// Target is a fresh Vault to ask, and a MySQL server beside it.
type Target struct {
	Addr      string // URL
	RootToken string
	// Seal and Unseal the target.
	Seal, Unseal func(context.Context) error

	MySQLAddr, MySQLRootUser, MySQLRootPassword string
	Users                                       func(context.Context) ([]string, error) // accounts made by Vault
}

// Run asks everything. The parts run one after the other, sealing last.
func Run(t *testing.T, target Target) {
	s := &suite{Target: target}
	s.prepare(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"errors", s.errors},
		{"login", s.login},
		{"tokens", s.tokens},
		{"token renewal", s.tokenRenewal},
		{"child tokens", s.childTokens},
		{"what a child may be", s.childLimits},
		{"explicit maximum and period", s.explicitMax},
		{"approle", s.approle},
		{"kv1", s.kv1},
		{"kv2", s.kv2},
		{"cubbyhole", s.cubbyhole},
		{"wrapping", s.wrapping},
		{"policies", s.policies},
		{"mounts", s.mounts},
		{"pki", s.pki},
		{"database", s.database},
		{"leases", s.leases},
		{"lease truncation", s.leaseTruncation},
		{"lease ends with its token", s.leaseEndsWithToken},
		{"revocation", s.revocation},
		{"cut at creation", s.cutAtCreation},
		{"static roles", s.staticRoles},
		{"audit", s.audit},
		{"seal", s.seal},
	} {
		t.Run(part.name, part.run)
	}
}

type suite struct {
	Target
}

// reply is an answer, decoded.
type reply struct {
	status int
	body   map[string]any
}

// call is one request. Body may be nil. Headers come in pairs.
func (s *suite) call(t *testing.T, token, method, path string, body any, headers ...string) reply {
	t.Helper()
	var rd io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		rd = strings.NewReader(string(b))
	}
	r, err := http.NewRequestWithContext(t.Context(), method, s.Addr+"/v1/"+path, rd)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("X-Vault-Token", token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	out := reply{status: resp.StatusCode}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	if len(b) > 0 {
		if err := json.Unmarshal(b, &out.body); err != nil {
			t.Fatalf("%s %s: no JSON: %.200q", method, path, b)
		}
	}
	return out
}

// ok calls and wants a status of 2xx.
func (s *suite) ok(t *testing.T, token, method, path string, body any, headers ...string) reply {
	t.Helper()
	r := s.call(t, token, method, path, body, headers...)
	if r.status/100 != 2 {
		t.Fatalf("%s %s: %d %v", method, path, r.status, r.body)
	}
	return r
}

// fails calls and wants exactly this status and this list of errors.
func (s *suite) fails(t *testing.T, token, method, path string, body any, status int, errs ...string) {
	t.Helper()
	r := s.call(t, token, method, path, body)
	if r.status != status {
		t.Errorf("%s %s: status %d (%v), want %d", method, path, r.status, r.body, status)
		return
	}
	got, isList := r.body["errors"].([]any)
	if !isList {
		t.Errorf("%s %s: no errors list in %v", method, path, r.body)
		return
	}
	texts := []string{}
	for _, e := range got {
		texts = append(texts, fmt.Sprint(e))
	}
	if !slices.Equal(texts, errs) {
		t.Errorf("%s %s: errors %q, want %q", method, path, texts, errs)
	}
}

// at digs into a reply: at("data", "metadata", "version").
func (r reply) at(path ...string) any {
	var v any = r.body
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

func (r reply) str(path ...string) string { s, _ := r.at(path...).(string); return s }

func (r reply) num(path ...string) int { f, _ := r.at(path...).(float64); return int(f) }

// want compares one value of a reply. Numbers are given as int.
func (r reply) want(t *testing.T, want any, path ...string) {
	t.Helper()
	got := r.at(path...)
	if f, ok := got.(float64); ok {
		got = int(f)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s = %#v, want %#v", strings.Join(path, "."), got, want)
	}
}

// shape wants exactly these fields with these JSON types, given as
// "name:type"; a type is string, number, bool, null, list, object or any.
func (r reply) shape(t *testing.T, path []string, fields ...string) {
	t.Helper()
	m, ok := r.at(path...).(map[string]any)
	if !ok {
		t.Errorf("%v is no object: %v", path, r.body)
		return
	}
	seen := map[string]bool{}
	for _, f := range fields {
		name, kind, _ := strings.Cut(f, ":")
		seen[name] = true
		v, there := m[name]
		switch {
		case !there:
			t.Errorf("%v has no %s", path, name)
		case kind != "any" && kindOf(v) != kind:
			t.Errorf("%v.%s is %s (%v), want %s", path, name, kindOf(v), v, kind)
		}
	}
	for name := range m {
		if !seen[name] {
			t.Errorf("%v has an unexpected field %s = %v", path, name, m[name])
		}
	}
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case float64:
		return "number"
	case bool:
		return "bool"
	case []any:
		return "list"
	}
	return "object"
}

// envelope checks the fields that surround every answer.
func (r reply) envelope(t *testing.T) {
	t.Helper()
	r.shape(t, nil, "request_id:string", "lease_id:string", "renewable:bool", "lease_duration:number", "data:any",
		"wrap_info:any", "warnings:any", "auth:any", "mount_type:string")
}

// warning wants exactly one warning.
func (r reply) warning(t *testing.T, want string) {
	t.Helper()
	r.want(t, []any{want}, "warnings")
}

// eventually polls until f says yes, for at most 15 seconds.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.NewTimer(15 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline.C:
			t.Fatalf("not within 15 s: %s", what)
		case <-tick.C:
		}
	}
}

// wait lets real time pass until d after start: both servers count seconds.
func wait(t *testing.T, start time.Time, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(time.Until(start.Add(d)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}

func (s *suite) client(t *testing.T, token string) *api.Client {
	t.Helper()
	conf := api.DefaultConfig()
	conf.Address, conf.MaxRetries = s.Addr, 0
	c, err := api.NewClient(conf)
	if err != nil {
		t.Fatal(err)
	}
	c.SetToken(token)
	return c
}

// newToken makes a child of root.
func (s *suite) newToken(t *testing.T, params map[string]any) string {
	t.Helper()
	r := s.ok(t, s.RootToken, "PUT", "auth/token/create", params)
	r.envelope(t)
	return r.str("auth", "client_token")
}

// hasUser says whether MySQL has the account.
func (s *suite) hasUser(t *testing.T, user string) bool {
	t.Helper()
	users, err := s.Users(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slices.Contains(users, user)
}

// logsIn says whether MySQL takes these credentials.
func (s *suite) logsIn(t *testing.T, user, password string) bool {
	t.Helper()
	conf := mysql.NewConfig()
	conf.Net, conf.Addr, conf.User, conf.Passwd = "tcp", s.MySQLAddr, user, password
	conf.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(conf)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	return errors.Join(db.PingContext(t.Context()), db.Close()) == nil
}

const (
	invalidToken = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"
	denied       = "1 error occurred:\n\t* permission denied\n\n"
)

package kerberos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/service"
	"github.com/jcmturner/gokrb5/v8/spnego"

	"vault-renderer/renderer/internal/vault"
	"vault-renderer/testbed/kdc"
)

const (
	realm    = "EXAMPLE.TEST"
	spn      = "HTTP/vault.example.test"
	password = "canary-password"
)

// setup gives a KDC that knows grace and Vault's service, files for a login as
// grace, and a Vault that checks tickets as the real one does.
func setup(t *testing.T, etypes ...int32) (*kdc.KDC, *Method) {
	t.Helper()
	k, err := kdc.Start(realm)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	if err := errors.Join(k.Add("grace", password, etypes...), k.Add(spn, "canary-service", kdc.AES256)); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	m := &Method{
		Client: newVault(t, k), MountPath: "auth/kerberos", Username: "grace", Service: spn, Realm: realm,
		KeytabPath: filepath.Join(dir, "grace.keytab"), Krb5ConfPath: filepath.Join(dir, "krb5.conf"),
		Log: slog.New(slog.DiscardHandler),
	}
	write(t, m.KeytabPath, keytabOf(t, k, "grace", password, etypes...))
	write(t, m.Krb5ConfPath, []byte(k.Conf()))
	return k, m
}

func keytabOf(t *testing.T, k *kdc.KDC, principal, password string, etypes ...int32) []byte {
	t.Helper()
	b, err := k.Keytab(principal, password, etypes...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// newVault gives a client of a Vault that has the service's key.
func newVault(t *testing.T, k *kdc.KDC) *vault.Client {
	t.Helper()
	kt := keytab.New()
	if err := kt.Unmarshal(keytabOf(t, k, spn, "canary-service", kdc.AES256)); err != nil {
		t.Fatal(err)
	}
	token := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"auth":{"client_token":"canary-token","lease_duration":60}}`))
	})
	check := spnego.SPNEGOKRB5Authenticate(token, kt, service.KeytabPrincipal(spn))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut && r.URL.Path == "/v1/auth/kerberos/login":
			check.ServeHTTP(w, r)
		case r.Header.Get("Authorization") != "":
			t.Errorf("%s carries a ticket", r.URL.Path)
		}
	}))
	t.Cleanup(srv.Close)
	for _, name := range []string{"VAULT_ADDR", "VAULT_NAMESPACE", "VAULT_TOKEN"} {
		t.Setenv(name, "") // and back when the test ends
		os.Unsetenv(name)
	}
	c, err := vault.New(vault.Options{Address: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func TestLogin(t *testing.T) {
	for _, c := range []struct {
		name   string
		etypes []int32
		noFAST bool
		want   []kdc.Request
	}{
		{name: "preferred key", etypes: []int32{kdc.AES128}, want: []kdc.Request{
			{Kind: "AS", Client: "grace", Service: "krbtgt/" + realm, PreAuth: true, FAST: true},
			{Kind: "TGS", Client: "grace", Service: spn},
		}},
		{name: "another key", etypes: []int32{kdc.AES256}, want: []kdc.Request{
			{Kind: "AS", Client: "grace", Service: "krbtgt/" + realm, FAST: true, Refused: "pre-authentication required"},
			{Kind: "AS", Client: "grace", Service: "krbtgt/" + realm, PreAuth: true, FAST: true},
			{Kind: "TGS", Client: "grace", Service: spn},
		}},
		{name: "disable_fast_negotiation", etypes: []int32{kdc.AES128}, noFAST: true, want: []kdc.Request{
			{Kind: "AS", Client: "grace", Service: "krbtgt/" + realm, PreAuth: true},
			{Kind: "TGS", Client: "grace", Service: spn},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, m := setup(t, c.etypes...)
			m.DisableFastNegotiation = c.noFAST
			a, err := m.Login(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if a.ClientToken.Reveal() != "canary-token" {
				t.Errorf("got %+v", a)
			}
			if got := k.Asked(); fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("asked %+v", got)
			}
			// The client's other requests carry no ticket (newVault looks).
			_ = m.Client.With(a.ClientToken, 1).LookupSelf(context.Background())
		})
	}
}

func TestFilesAreReadAgain(t *testing.T) {
	k, m := setup(t, kdc.AES128)
	login := func() {
		t.Helper()
		if _, err := m.Login(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	login()
	login()
	if n := len(k.Asked()); n != 4 {
		t.Errorf("%d requests: a ticket was kept", n)
	}
	// The principal moves to another realm's KDC, with another key.
	other, err := kdc.Start(realm)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	if err := errors.Join(other.Add("grace", "canary-new", kdc.AES128), other.Add(spn, "canary-service", kdc.AES256)); err != nil {
		t.Fatal(err)
	}
	write(t, m.KeytabPath, keytabOf(t, other, "grace", "canary-new", kdc.AES128))
	write(t, m.Krb5ConfPath, []byte(other.Conf()))
	login()
}

func TestErrors(t *testing.T) {
	k, m := setup(t, kdc.AES128)
	if err := k.Add("HTTP/other", "canary-service", kdc.AES256); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk")
	write(t, junk, []byte("canary-junk"))
	short := filepath.Join(dir, "short.keytab")
	write(t, short, keytabOf(t, k, "grace", password, kdc.AES128)[:20])
	wrong := filepath.Join(dir, "wrong.keytab")
	write(t, wrong, keytabOf(t, k, "grace", "canary-other", kdc.AES128))
	away := filepath.Join(dir, "away.conf")
	write(t, away, []byte("[libdefaults]\n udp_preference_limit = 1\n dns_lookup_kdc = false\n[realms]\n "+realm+" = {\n  kdc = 127.0.0.1:1\n }\n"))
	malformed := filepath.Join(dir, "malformed.conf")
	write(t, malformed, []byte("[libdefaults]\n clockskew = canary\n"))
	for _, c := range []struct {
		name, want string
		change     func(*Method)
	}{
		{"no keytab", "kerberos: keytab: open " + dir + "/none: no such file", func(m *Method) { m.KeytabPath = dir + "/none" }},
		{"junk keytab", "keytab: " + junk + " is no keytab", func(m *Method) { m.KeytabPath = junk }},
		{"short keytab", short, func(m *Method) { m.KeytabPath = short }},
		{"no krb5.conf", "krb5.conf: open " + dir + "/none: no such file", func(m *Method) { m.Krb5ConfPath = dir + "/none" }},
		{"malformed krb5.conf", "krb5.conf: " + malformed, func(m *Method) { m.Krb5ConfPath = malformed }},
		{"KDC away", "log in as grace@" + realm + " with the keytab ", func(m *Method) { m.Krb5ConfPath = away }},
		{"wrong key", "pre-authentication failed", func(m *Method) { m.KeytabPath = wrong }},
		{"unknown user", "client not found", func(m *Method) { m.Username = "nobody" }},
		{"unknown service", "get a ticket for HTTP/none", func(m *Method) { m.Service = "HTTP/none" }},
		{"Vault has another key", "Vault does not take the ticket: either its keytab is not that of HTTP/other", func(m *Method) { m.Service = "HTTP/other" }},
		{"unknown realm", "OTHER.TEST", func(m *Method) { m.Realm = "OTHER.TEST" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := *m
			c.change(&bad)
			_, err := bad.Login(context.Background())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			for _, secret := range []string{"canary-p", "canary-o", "canary-s", "canary-j", "canary-t"} {
				if strings.Contains(fmt.Sprint(err), secret) {
					t.Errorf("a secret in %v", err)
				}
			}
		})
	}
}

// TestSilentKDC: a KDC that takes requests and never answers does not hold a
// login longer than its context.
func TestSilentKDC(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, m := setup(t, kdc.AES128)
	write(t, m.Krb5ConfPath, []byte("[libdefaults]\n udp_preference_limit = 1\n dns_lookup_kdc = false\n[realms]\n "+realm+" = {\n  kdc = "+l.Addr().String()+"\n }\n"))
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = m.Login(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer from the KDC of realm "+realm) {
		t.Errorf("got %v", err)
	}
}

package proof

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/jimlambrt/gldap"

	"vault-renderer/renderer/internal/auth/kerberos"
	"vault-renderer/renderer/internal/vault"
	"vault-renderer/testbed/kdc"
)

const (
	realm = "EXAMPLE.TEST"
	spn   = "HTTP/vault.example.test"
)

// groups is a directory in which ann is in the group admins.
func groups(t *testing.T) (addr string) {
	t.Helper()
	mux, err := gldap.NewMux()
	if err != nil {
		t.Fatal(err)
	}
	bind := func(w *gldap.ResponseWriter, r *gldap.Request) {
		_ = w.Write(r.NewBindResponse(gldap.WithResponseCode(gldap.ResultSuccess)))
	}
	search := func(w *gldap.ResponseWriter, r *gldap.Request) {
		defer func() { _ = w.Write(r.NewSearchDoneResponse(gldap.WithResponseCode(gldap.ResultSuccess))) }()
		m, err := r.GetSearchMessage()
		switch {
		case err != nil:
		case strings.HasPrefix(m.BaseDN, "ou=groups") && strings.Contains(m.Filter, "ann"):
			_ = w.Write(r.NewSearchResponseEntry("cn=admins,ou=groups,dc=test", gldap.WithAttributes(map[string][]string{"cn": {"admins"}})))
		case strings.Contains(m.Filter, "uid=ann"):
			_ = w.Write(r.NewSearchResponseEntry(annDN, gldap.WithAttributes(map[string][]string{"uid": {"ann"}})))
		}
	}
	if err := errors.Join(mux.Bind(bind), mux.Search(search)); err != nil {
		t.Fatal(err)
	}
	return serveDirectory(t, mux)
}

func (s *suite) kerberos(t *testing.T, _ *internet) {
	k, err := kdc.Start(realm)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	keytab := func(principal, password string) string {
		t.Helper()
		b, err := k.Keytab(principal, password, kdc.AES128, kdc.AES256)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for principal, password := range map[string]string{spn: "canary-service", "ann": "canary-ann", "bob": "canary-bob"} {
		if err := k.Add(principal, password, kdc.AES128, kdc.AES256); err != nil {
			t.Fatal(err)
		}
	}
	s.put(t, "sys/auth/kerberos", map[string]any{
		"type": "kerberos", "config": map[string]any{"passthrough_request_headers": []string{"Authorization"}},
	})
	s.put(t, "auth/kerberos/config", map[string]any{
		"keytab": base64.StdEncoding.EncodeToString([]byte(keytab(spn, "canary-service"))), "service_account": spn,
	})
	s.put(t, "auth/kerberos/config/ldap", map[string]any{
		"url": "ldap://" + groups(t), "binddn": "cn=vault,dc=test", "bindpass": "canary-bind",
		"userdn": "ou=people,dc=test", "userattr": "uid", "groupdn": "ou=groups,dc=test", "token_ttl": "1h",
	})
	s.put(t, "auth/kerberos/groups/admins", map[string]any{"policies": "proof"})

	dir := t.TempDir()
	log, _ := logger(t)
	m := &kerberos.Method{
		Client: s.client(t, vault.Options{}), MountPath: "auth/kerberos", Username: "ann", Service: spn, Realm: realm,
		KeytabPath: write(t, dir, "ann.keytab", keytab("ann", "canary-ann")), Krb5ConfPath: write(t, dir, "krb5.conf", k.Conf()),
		Log: log,
	}
	a := s.works(t, m)
	if a.Metadata["user"] != "ann" || a.Metadata["domain"] != realm {
		t.Errorf("metadata %v", a.Metadata)
	}
	m.DisableFastNegotiation = true
	s.works(t, m)

	// The directory does not know bob, though the KDC does.
	bob := *m
	bob.Username, bob.KeytabPath = "bob", write(t, dir, "bob.keytab", keytab("bob", "canary-bob"))
	if _, err := bob.Login(t.Context()); err == nil {
		t.Error("bob logged in")
	} else {
		s.says(t, err, "auth/kerberos/login")
	}
	// Vault has another key than the KDC.
	s.put(t, "auth/kerberos/config", map[string]any{
		"keytab": base64.StdEncoding.EncodeToString([]byte(keytab(spn, "canary-old"))), "service_account": spn,
	})
	s.refused(t, m, "auth/kerberos/login", "either its keytab is not that of "+spn)
}

package proof

import (
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jimlambrt/gldap"

	"vault-renderer/renderer/internal/auth/method"
	"vault-renderer/renderer/internal/vault"
)

const annDN = "uid=ann,ou=people,dc=test"

// directory knows one person.
type directory struct {
	mu    sync.Mutex
	binds []string // DNs that tried
}

// startDirectory serves until the test ends.
func startDirectory(t *testing.T) (d *directory, addr string) {
	t.Helper()
	d = &directory{}
	mux, err := gldap.NewMux()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(mux.Bind(d.bind), mux.Search(d.search)); err != nil {
		t.Fatal(err)
	}
	return d, serveDirectory(t, mux)
}

// serveDirectory serves until the test ends.
func serveDirectory(t *testing.T, mux *gldap.Mux) (addr string) {
	t.Helper()
	srv, err := gldap.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Router(mux); err != nil {
		t.Fatal(err)
	}
	addr = freeAddr(t)
	done := make(chan error, 1)
	go func() { done <- srv.Run(addr) }()
	t.Cleanup(func() {
		if err := srv.Stop(); err != nil {
			t.Error(err)
		}
		<-done
	})
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); !srv.Ready(); {
		select {
		case err := <-done:
			t.Fatalf("directory: %v", err)
		case <-tick.C:
		}
		if time.Now().After(deadline) {
			t.Fatal("directory: not ready")
		}
	}
	return addr
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (d *directory) bind(w *gldap.ResponseWriter, r *gldap.Request) {
	answer := r.NewBindResponse(gldap.WithResponseCode(gldap.ResultInvalidCredentials))
	defer func() { _ = w.Write(answer) }()
	m, err := r.GetSimpleBindMessage()
	if err != nil {
		return
	}
	d.mu.Lock()
	d.binds = append(d.binds, m.UserName)
	d.mu.Unlock()
	if m.UserName == annDN && string(m.Password) == "canary-pass" {
		answer.SetResultCode(gldap.ResultSuccess)
	}
}

func (d *directory) search(w *gldap.ResponseWriter, r *gldap.Request) {
	answer := r.NewSearchDoneResponse(gldap.WithResponseCode(gldap.ResultSuccess))
	defer func() { _ = w.Write(answer) }()
	m, err := r.GetSearchMessage()
	if err != nil || (!strings.Contains(m.Filter, "uid=ann") && m.BaseDN != annDN) {
		return
	}
	_ = w.Write(r.NewSearchResponseEntry(annDN, gldap.WithAttributes(map[string][]string{
		"objectClass": {"person"}, "uid": {"ann"}, "cn": {"Ann"},
	})))
}

func (s *suite) ldap(t *testing.T) {
	people, addr := startDirectory(t)
	s.mount(t, "ldap")
	s.put(t, "auth/ldap/config", map[string]any{
		"url": "ldap://" + addr, "userdn": "ou=people,dc=test", "userattr": "uid", "token_ttl": "1h",
	})
	s.put(t, "auth/ldap/users/ann", map[string]any{"policies": "proof"})
	dir := t.TempDir()
	log, _ := logger(t)
	m := &method.LDAP{
		Client: s.client(t, vault.Options{}), MountPath: "auth/ldap", Username: "ann",
		PasswordFilePath: write(t, dir, "password", "canary-pass"), Log: log,
	}
	s.works(t, m)
	wantFile(t, m.PasswordFilePath, true)
	m.RemoveAfterReading = true
	s.works(t, m)
	wantFile(t, m.PasswordFilePath, false)
	s.works(t, m) // from memory
	people.mu.Lock()
	if len(people.binds) < 3 || people.binds[0] != annDN {
		t.Errorf("the directory saw %q", people.binds)
	}
	people.mu.Unlock()

	write(t, dir, "password", "canary-wrong")
	s.refused(t, m, "auth/ldap/login/ann", "if the password is wrong, put a new one into "+m.PasswordFilePath)
	wantFile(t, m.PasswordFilePath, false)
	// The bytes are the password.
	write(t, dir, "password", "canary-pass\n")
	s.refused(t, m, "auth/ldap/login/ann", "ends with a newline")
	write(t, dir, "password", "canary-pass")
	s.works(t, m)
	m.Username = "nobody"
	s.refused(t, m, "auth/ldap/login/nobody")
}

package method_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"vault-renderer/renderer/internal/auth/method"
	"vault-renderer/renderer/internal/vault"
	"vault-renderer/testbed/devvault"
)

// approle is a Vault with a role, and the files that its application gets.
type approle struct {
	*fake
	vault *devvault.Server
	m     *method.AppRole
}

const wrappedAt = "auth/approle/role/app/secret-id"

func newAppRole(t *testing.T, role map[string]any) *approle {
	t.Helper()
	v := devvault.New(devvault.Options{})
	t.Cleanup(v.Close)
	a := &approle{fake: newFake(t), vault: v}
	c, err := vault.New(vault.Options{Address: "http://vault", Transport: v.Transport()})
	if err != nil {
		t.Fatal(err)
	}
	a.root("PUT", "sys/auth/approle", "", map[string]any{"type": "approle"})
	a.root("PUT", "auth/approle/role/app", "", role)
	id := a.root("GET", "auth/approle/role/app/role-id", "", nil)["data"].(map[string]any)["role_id"].(string)
	a.m = &method.AppRole{
		Client: c, MountPath: "auth/approle", RoleIDFilePath: a.write("role_id", id+"\n"),
		SecretIDFilePath: a.path("secret_id"), Log: a.logger(),
	}
	return a
}

// root asks with the root token.
func (a *approle) root(verb, path, wrapTTL string, body map[string]any) map[string]any {
	a.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		a.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(a.t.Context(), verb, "http://vault/v1/"+path, bytes.NewReader(raw))
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("X-Vault-Token", a.vault.RootToken())
	if wrapTTL != "" {
		r.Header.Set("X-Vault-Wrap-TTL", wrapTTL)
	}
	resp, err := a.vault.Transport().RoundTrip(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	out := map[string]any{}
	if resp.StatusCode >= 300 {
		a.t.Fatalf("%s %s: %s", verb, path, resp.Status)
	}
	if resp.StatusCode != http.StatusNoContent {
		if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
			a.t.Fatal(err)
		}
	}
	return out
}

// wrapped gives a token that wraps what path answers.
func (a *approle) wrapped(path string) string {
	a.t.Helper()
	w := a.root("PUT", path, "60s", map[string]any{"secret_id": "canary-foreign"})["wrap_info"].(map[string]any)
	return w["token"].(string)
}

// requests is what Vault was asked since the last call.
func (a *approle) requests() []string {
	out := a.vault.Requests()
	a.vault.ResetRequests()
	return out
}

// login wants these requests and an error with these words; none = success.
func (a *approle) login(requests []string, words ...string) {
	a.t.Helper()
	a.requests()
	_, err := a.m.Login(a.t.Context())
	if (err == nil) != (len(words) == 0) {
		a.t.Errorf("login: %v", err)
	}
	for _, w := range words {
		if err != nil && !strings.Contains(err.Error(), w) {
			a.t.Errorf("%q lacks %q", err, w)
		}
	}
	if err != nil && (strings.Contains(err.Error(), "canary-") || strings.Contains(err.Error(), "hvs.")) {
		a.t.Errorf("a secret in %q", err)
	}
	if got := a.requests(); !slices.Equal(got, requests) {
		a.t.Errorf("asked %q, want %q", got, requests)
	}
}

const (
	lookup = "PUT /v1/sys/wrapping/lookup"
	unwrap = "PUT /v1/sys/wrapping/unwrap"
	login  = "PUT /v1/auth/approle/login"
)

func TestAppRoleWithoutSecretID(t *testing.T) {
	f := newFake(t)
	m := &method.AppRole{Client: f.client, MountPath: "auth/a", RoleIDFilePath: f.write("role_id", "role\n"), Log: f.logger()}
	f.sends(m, "auth/a/login", map[string]any{"role_id": "role"})
	if err := os.Remove(f.path("role_id")); err != nil {
		t.Fatal(err)
	}
	f.sends(m, "auth/a/login", map[string]any{"role_id": "role"})
}

func TestAppRoleNoRoleID(t *testing.T) {
	a := newAppRole(t, map[string]any{})
	a.m.RoleIDFilePath = a.write("empty", " \n")
	a.login(nil, "role_id file "+a.path("empty")+" is empty")
}

// A wrapping token is used once; the SecretID that it held as long as it works.
func TestAppRoleWrapped(t *testing.T) {
	for _, remove := range []bool{false, true} {
		a := newAppRole(t, map[string]any{})
		a.m.SecretIDResponseWrappingPath, a.m.RemoveSecretIDFileAfterRead = wrappedAt, remove
		a.write("secret_id", a.wrapped(wrappedAt)+"\n")
		a.login([]string{lookup, unwrap, login})
		if a.exists("secret_id") == remove {
			t.Errorf("remove %v: file there %v", remove, !remove)
		}
		a.login([]string{login})
		a.write("secret_id", a.wrapped(wrappedAt))
		a.login([]string{lookup, unwrap, login})
	}
}

func TestAppRoleWrappedElsewhere(t *testing.T) {
	a := newAppRole(t, map[string]any{})
	a.m.SecretIDResponseWrappingPath, a.m.RemoveSecretIDFileAfterRead = wrappedAt, true
	a.write("secret_id", a.wrapped("sys/wrapping/wrap"))
	for range 2 {
		a.login([]string{lookup}, a.path("secret_id"), `made at "sys/wrapping/wrap"`, `expected "`+wrappedAt+`"`)
	}
	if !a.exists("secret_id") {
		t.Error("the file is gone")
	}
	if !strings.Contains(a.log.String(), "security") {
		t.Errorf("log %q", a.log.String())
	}
	a.write("secret_id", a.wrapped(wrappedAt))
	a.login([]string{lookup, unwrap, login})
}

// Vault is asked about a token that is of no use once; then its file must change.
func TestAppRoleSpentWrappingToken(t *testing.T) {
	a := newAppRole(t, map[string]any{})
	a.m.SecretIDResponseWrappingPath, a.m.RemoveSecretIDFileAfterRead = wrappedAt, true
	token := a.wrapped(wrappedAt)
	a.write("secret_id", token)
	if _, err := a.m.Client.Unwrap(t.Context(), vault.NewToken(token)); err != nil {
		t.Fatal(err)
	}
	why := []string{"the wrapping token in " + a.path("secret_id"), "used up", "put a new one there", "look up the wrapping token"}
	a.login([]string{lookup}, why...)
	for range 3 {
		a.login(nil, why...)
	}
	if !a.exists("secret_id") {
		t.Error("the file is gone")
	}
	a.write("secret_id", a.wrapped(wrappedAt))
	a.login([]string{lookup, unwrap, login})

	// With a SecretID in memory a bad token in the file does no harm.
	a.write("secret_id", "canary-bad")
	a.login([]string{lookup, login})
	a.login([]string{login})
	if n := strings.Count(a.log.String(), "SecretID of before is used again"); n != 1 {
		t.Errorf("said %d times:\n%s", n, a.log.String())
	}
}

// The unwrapped SecretID does not work any more: what to do is said, and Vault
// is not asked about the spent token.
func TestAppRoleUnwrappedSecretIDRefused(t *testing.T) {
	a := newAppRole(t, map[string]any{"secret_id_num_uses": 1})
	a.m.SecretIDResponseWrappingPath = wrappedAt
	a.write("secret_id", a.wrapped(wrappedAt))
	a.login([]string{lookup, unwrap, login})
	a.login([]string{login}, "invalid", "wrapping token", "put a new one into "+a.path("secret_id"))
	a.write("secret_id", a.wrapped(wrappedAt))
	a.login([]string{lookup, unwrap, login})
}

// While Vault is away nothing is spent.
func TestAppRoleWrappedWhileAway(t *testing.T) {
	for _, failing := range []string{lookup, unwrap, login} {
		a := newAppRole(t, map[string]any{})
		a.m.SecretIDResponseWrappingPath, a.m.RemoveSecretIDFileAfterRead = wrappedAt, true
		a.write("secret_id", a.wrapped(wrappedAt))
		a.vault.SetFault(func(r *http.Request) (int, bool) { return 0, r.Method+" "+r.URL.Path == failing })
		if _, err := a.m.Login(t.Context()); vault.ClassOf(err) != vault.Transient || err == nil {
			t.Errorf("%s: %v", failing, err)
		}
		a.vault.SetFault(nil)
		if _, err := a.m.Login(t.Context()); err != nil {
			t.Errorf("after %s failed: %v", failing, err)
		}
	}
}

// What was wrapped at the right path without a SecretID in it.
func TestAppRoleWrappedNothing(t *testing.T) {
	a := newAppRole(t, map[string]any{})
	a.m.SecretIDResponseWrappingPath = "sys/wrapping/wrap"
	w := a.root("PUT", "sys/wrapping/wrap", "60s", map[string]any{"other": "canary-x"})["wrap_info"].(map[string]any)
	a.write("secret_id", w["token"].(string))
	a.login([]string{lookup, unwrap}, "held no secret_id", a.path("secret_id"))
	a.login(nil, "held no secret_id")
}

func TestAppRoleWrappedNoFile(t *testing.T) {
	a := newAppRole(t, map[string]any{})
	a.m.SecretIDResponseWrappingPath = wrappedAt
	a.login(nil, "wrapped secret_id file "+a.path("secret_id")+" does not exist")
	a.write("secret_id", "\n")
	a.login(nil, "wrapped secret_id file "+a.path("secret_id")+" is empty")
}

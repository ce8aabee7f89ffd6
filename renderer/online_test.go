package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vault-renderer/testbed/bootstrap"
	"vault-renderer/testbed/mariadb"
	"vault-renderer/testbed/vaultserver"
)

// cmdWrapSecretID: wrap-secret-id FILE delivers a new SecretID, wrapped.
func cmdWrapSecretID(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: wrap-secret-id file")
	}
	b, _ := ts.Value(backendKey{}).(*backend)
	r, err := http.NewRequest(http.MethodPut, "http://vault/v1/auth/approle/role/webapp-role/secret-id", strings.NewReader("{}"))
	ts.Check(err)
	r.Header.Set("X-Vault-Token", b.vault.RootToken())
	r.Header.Set("X-Vault-Wrap-TTL", "60s")
	resp, err := b.vault.Transport().RoundTrip(r)
	ts.Check(err)
	defer resp.Body.Close()
	var out struct {
		Wrap struct{ Token string } `json:"wrap_info"`
	}
	ts.Check(json.NewDecoder(resp.Body).Decode(&out))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(out.Wrap.Token), 0o600))
}

const onlineConfig = `
tmpfs = "off"
vault { address = "$VAULT" }
auto_auth {
  method "approle" {
    config = {
      role_id_file_path   = "role_id"
      secret_id_file_path = "secret_id"
      remove_secret_id_file_after_reading = false
    }
  }
}
template "leased" {
  destination = "leased"
  contents    = "{{ with secret \"$PATH\" }}{{ .Data | toJSON }}{{ end }}"
}
lease { revoke = "always" }
`

// TestInterruptedOnline: Ctrl-C while Vault thinks ends what was made.
func TestInterruptedOnline(t *testing.T) {
	dir := t.TempDir()
	b, err := startVault(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.stop()
	writeFile(t, filepath.Join(dir, "agent.hcl"), strings.NewReplacer("$VAULT", b.addr, "$PATH", "database/creds/mysql-role").Replace(onlineConfig))
	asked := make(chan struct{}, 1)
	b.vault.SetFault(func(r *http.Request) (int, bool) {
		if strings.HasSuffix(r.URL.Path, "/sys/leases/renew") {
			select {
			case asked <- struct{}{}:
			default:
			}
			<-time.After(300 * time.Millisecond)
		}
		return 0, false
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Args, cmd.Dir = []string{"vault-renderer", "validate", "-online", "-config=agent.hcl"}, dir
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	if len(b.db.Users()) != 1 {
		t.Errorf("%d accounts", len(b.db.Users()))
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(said.String(), "interrupted") {
		t.Errorf("%v: %s", err, said.String())
	}
	waitFor(t, "the end of what was leased", func() bool { return len(b.db.Users()) == 0 })
}

// TestRealVaultOnline measures on real servers: what binds is found whichever
// it is, nothing is left behind, and somebody else's token stays as it was.
func TestRealVaultOnline(t *testing.T) {
	db, err := mariadb.Start(t.Context(), mariadb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Stop() })
	v, err := vaultserver.Start(t.Context(), vaultserver.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Stop(); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "agent.hcl"), strings.NewReplacer("$VAULT", v.Addr(), "$PATH", "database/creds/mysql-role").Replace(onlineConfig))
	for _, c := range []struct {
		tokenMax time.Duration
		want     string
	}{
		{2 * time.Hour, "10m +40m +the lease's maximum +40m +1m$"},
		{20 * time.Minute, "10m +40m +the token's maximum +20m +30s$"},
	} {
		_, err := bootstrap.Run(t.Context(), bootstrap.Options{
			Client: v.Client(), MySQLAddr: db.Addr(), MySQLRootUser: "root", MySQLRootPassword: db.RootPassword(), DeliverDir: dir,
			TokenTTL: 5 * time.Minute, TokenMaxTTL: c.tokenMax, LeaseTTL: 10 * time.Minute, LeaseMaxTTL: 40 * time.Minute,
			Policy: `path "database/creds/mysql-role" { capabilities = ["read"] }`, // not enough to revoke
		})
		if err != nil {
			t.Fatal(err)
		}
		code, out, said := runHere(t, dir, "validate", "-online", "-config=agent.hcl")
		if !regexp.MustCompile(`(?m)^database/creds/mysql-role +` + c.want).MatchString(out) {
			t.Errorf("%s%s", out, said)
		}
		if code != 2 || !strings.Contains(out, "\npath \"sys/leases/revoke\" { capabilities = [\"update\"] }\n") || strings.Count(out, "\npath ") != 1 {
			t.Errorf("the policy: %d\n%s%s", code, out, said)
		}
		waitFor(t, "the end of what was leased", func() bool { return leftAccounts(t, db) == 0 })
	}
	borrowedOnline(t, v, db, dir)
}

func leftAccounts(t *testing.T, db *mariadb.Server) (n int) {
	t.Helper()
	users, err := db.Users(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range users {
		if strings.HasPrefix(u, "v-") {
			n++
		}
	}
	return n
}

// borrowedOnline measures with a token that may not revoke: its lease lapses.
func borrowedOnline(t *testing.T, v *vaultserver.Server, db *mariadb.Server, dir string) {
	s := leastServer{v.Addr(), v.RootToken()}
	token, err := s.try("auth/token/create", map[string]any{"policies": []string{bootstrap.PolicyName}, "ttl": "10m"})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "token"), token)
	text := `tmpfs = "off"
vault { address = "` + v.Addr() + `" }
auto_auth {
  method "token_file" {
    config = { token_file_path = "token" }
  }
}
template {
  destination = "leased"
  contents    = "{{ with secret \"database/creds/mysql-role\" }}{{ .Data | toJSON }}{{ end }}"
}
`
	writeFile(t, filepath.Join(dir, "borrowed.hcl"), text)
	for range 2 { // the second time shows that the token still lives
		code, out, said := runHere(t, dir, "validate", "-online", "-config=borrowed.hcl")
		if code != 0 || !regexp.MustCompile(`The token lives (10m|9m\d+s), and longer when it is renewed`).MatchString(out) || strings.Contains(said, "lives on") {
			t.Errorf("%d\n%s%s", code, out, said)
		}
		if strings.Contains(out+said, token) {
			t.Error("the token is shown")
		}
		waitFor(t, "the end of what was leased", func() bool { return leftAccounts(t, db) == 0 })
	}
}

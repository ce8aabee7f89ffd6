package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
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

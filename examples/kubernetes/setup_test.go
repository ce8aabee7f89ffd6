package kubernetes

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"

	"vault-renderer/testbed/mariadb"
	"vault-renderer/testbed/pki"
	"vault-renderer/testbed/vaultserver"
)

// TestSetup runs vault-setup.sh on a real Vault and a real database, twice, and
// then does what the renderer does with the policy that it wrote.
func TestSetup(t *testing.T) {
	v, err := vaultserver.Start(t.Context(), vaultserver.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Stop() })
	db := database(t)
	for range 2 {
		setup(t, v, db.Addr())
	}
	role, err := v.Client().Logical().Read("auth/kubernetes/role/notes")
	if err != nil || role.Data["audience"] != "vault" {
		t.Errorf("the role: %v, %v", role, err)
	}
	token, err := v.Client().Auth().Token().Create(&api.TokenCreateRequest{Policies: []string{"notes-renderer"}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := v.Client().Clone()
	if err != nil {
		t.Fatal(err)
	}
	c.SetToken(token.Auth.ClientToken)
	own, err := c.Auth().Token().Create(&api.TokenCreateRequest{})
	if err != nil {
		t.Fatal(err)
	}
	c.SetToken(own.Auth.ClientToken)
	creds, err := c.Logical().Read("database/creds/mysql-role")
	if err != nil {
		t.Fatal(err)
	}
	if users, err := db.Users(t.Context()); err != nil || !slices.ContainsFunc(users, func(u string) bool { return strings.Contains(u, creds.Data["username"].(string)) }) {
		t.Errorf("accounts %q, %v", users, err)
	}
	if _, err := c.Logical().Read("database/config/mysql-database"); err == nil {
		t.Error("the renderer may read how Vault logs in")
	}
}

const firstPassword = "canary-first-password"

// database has what vault-setup.sh's comment asks for.
func database(t *testing.T) *mariadb.Server {
	t.Helper()
	db, err := mariadb.Start(t.Context(), mariadb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Stop() })
	for _, q := range []string{
		"CREATE DATABASE notes_webapp",
		"CREATE USER 'vault-admin'@'%' IDENTIFIED BY '" + firstPassword + "'",
		"GRANT CREATE USER ON *.* TO 'vault-admin'@'%'",
		"GRANT SELECT, INSERT ON notes_webapp.* TO 'vault-admin'@'%' WITH GRANT OPTION",
	} {
		if _, err := db.Admin().Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// setup runs the script as a person who is logged in would.
func setup(t *testing.T, v *vaultserver.Server, database string) {
	t.Helper()
	vault, err := vaultserver.Binary(t.Context(), vaultserver.BinaryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir() // the program may have another name
	if err := os.Symlink(vault, filepath.Join(bin, "vault")); err != nil {
		t.Fatal(err)
	}
	ca, err := pki.New("kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	password, authority := filepath.Join(bin, "password"), filepath.Join(bin, "ca.crt")
	for name, content := range map[string]string{password: firstPassword + "\n", authority: ca.Cert} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "sh", "./vault-setup.sh")
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "VAULT_ADDR="+v.Addr(), "VAULT_TOKEN="+v.RootToken(),
		"DATABASE="+database, "DATABASE_PASSWORD_FILE="+password, "KUBERNETES_CA_FILE="+authority)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.Contains(string(out), "canary-") {
		t.Errorf("the script shows a password:\n%s", out)
	}
}

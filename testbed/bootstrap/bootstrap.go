// Package bootstrap prepares a Vault (the real server or package devvault) and
// a MySQL or MariaDB for the note application: database, table, Vault's own
// MySQL account, database engine with a rotated root password, role, policy,
// AppRole, audit device, and the delivered role_id and secret_id.
//
// It uses only Vault's HTTP API and one SQL login, may run again at any time
// without harm, and keeps no state. It does not start, initialise or unseal
// anything.
//
// # Why root rotation seems to do nothing
//
// Vault rotates with ALTER USER 'NAME'@'%'. MySQL accounts are pairs of name
// and host, and the usual installation has several called root. Giving Vault
// "root" therefore ends in one of three ways (rotation_test.go shows each of
// them on real servers):
//
//   - root@'%' and root@localhost exist (the official images) and Vault comes
//     over the network: Vault rotates root@'%' only. root@localhost keeps the
//     first password, so whoever tries it on the database's own machine or in
//     its container gets in. Rotation looks broken though it worked, for one
//     account of two.
//   - There is an account for the very host that Vault comes from, beside
//     root@'%': the server takes Vault for the former, the more exact match.
//     Vault reports success, but now knows only the password of root@'%' and is
//     locked out, while the first password still works.
//   - There is no root@'%': the rotation fails with error 1396.
//
// The way out is an account of Vault's own that exists exactly once, as
// name@'%', with no more rights than creating the role's users takes. root is
// never given to Vault. Rotating at every run is harmless and doubles as the
// test whether Vault can still log in.
package bootstrap

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/vault/api"
)

// Names of everything that Run makes.
const (
	DatabaseName   = "notes_webapp"
	TableName      = "note"
	DatabaseMount  = "database"
	ConnectionName = "mysql-database"
	DatabaseRole   = "mysql-role"
	PolicyName     = "read-mysql-creds-policy"
	AppRoleMount   = "approle"
	AppRoleName    = "webapp-role"
	AdminUser      = "vault-admin" // Vault's own MySQL account
	RoleIDFile     = "role_id"
	SecretIDFile   = "secret_id"
)

// Policy is all that the renderer may do beside Vault's "default" policy, which
// already lets a token look up and renew itself, and renew and look up leases
// whose ID it knows. With the second rule it ends the credentials that the
// application has let go of, and nobody else's.
const Policy = `path "database/creds/mysql-role" {
  capabilities = ["read"]
}

path "sys/leases/revoke" {
  capabilities       = ["update"]
  allowed_parameters = { "lease_id" = ["database/creds/mysql-role/*"], "sync" = [] }
}
`

// Options of Run. A zero duration or count leaves Vault's default.
type Options struct {
	Client *api.Client // with a token that may do everything

	MySQLAddr         string // host:port, as this process and Vault reach it
	MySQLRootUser     string // used here only, never given to Vault
	MySQLRootPassword string

	DeliverDir string // gets role_id and secret_id; should be on tmpfs. "" = deliver nothing

	TokenTTL, TokenMaxTTL time.Duration
	LeaseTTL, LeaseMaxTTL time.Duration
	SecretIDTTL           time.Duration
	SecretIDNumUses       int

	// AdminUser is Vault's own MySQL account, UserPrefix what the names of the
	// accounts that it makes begin with: of several Vaults at one database each
	// needs its own. "" = the constant above; as Vault's plugin names them.
	AdminUser, UserPrefix string

	TableGrants bool   // grant on notes_webapp.note instead of notes_webapp.*
	AuditLog    string // file of an audit device, as the server sees it; "" = none
	Policy      string // of the renderer; "" = the constant above
}

// Result of Run.
type Result struct {
	RoleID string
	// SpentPassword is the password that Vault's MySQL account had when Vault
	// was configured with it. It was rotated away and logs nobody in any more.
	// Empty when an earlier run configured Vault.
	SpentPassword string
}

// Run prepares everything. Running it again repairs what is missing and keeps
// what is there: role_id, Vault's rotated MySQL password, notes.
func Run(ctx context.Context, o Options) (*Result, error) {
	o.AdminUser = cmp.Or(o.AdminUser, AdminUser)
	b := &boot{o: o, c: o.Client, r: &Result{}}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"audit device", b.audit},
		{"database schema", b.schema},
		{"database engine", b.engine},
		{"database connection", b.connection},
		{"database role", b.role},
		{"policy", b.policy},
		{"approle", b.appRole},
		{"deliver role_id and secret_id", b.deliver},
	} {
		if err := step.do(ctx); err != nil {
			return nil, fmt.Errorf("bootstrap: %s: %w", step.name, err)
		}
	}
	return b.r, nil
}

// NewSecretID delivers a fresh secret_id into dir, replacing the old one. The
// old one stays valid until its own TTL or use count ends.
func NewSecretID(ctx context.Context, c *api.Client, dir string) error {
	s, err := c.Logical().WriteWithContext(ctx, "auth/"+AppRoleMount+"/role/"+AppRoleName+"/secret-id", nil)
	if err != nil {
		return fmt.Errorf("new secret_id: %w", err)
	}
	id, err := stringField(s, "secret_id")
	if err != nil {
		return fmt.Errorf("new secret_id: %w", err)
	}
	return deliverFile(dir, SecretIDFile, id)
}

type boot struct {
	o Options
	c *api.Client
	r *Result
}

func (b *boot) write(ctx context.Context, path string, data map[string]any) error {
	_, err := b.c.Logical().WriteWithContext(ctx, path, data)
	return err
}

// audit enables one file audit device on the wanted file.
func (b *boot) audit(ctx context.Context) error {
	if b.o.AuditLog == "" {
		return nil
	}
	have, err := b.c.Sys().ListAuditWithContext(ctx)
	if err != nil {
		return err
	}
	for _, a := range have {
		if a.Type == "file" && a.Options["file_path"] == b.o.AuditLog {
			return nil
		}
	}
	if _, taken := have["file/"]; taken { // of another run, in another directory
		if err := b.c.Sys().DisableAuditWithContext(ctx, "file"); err != nil {
			return err
		}
	}
	return b.c.Sys().EnableAuditWithOptionsWithContext(ctx, "file", &api.EnableAuditOptions{
		Type:    "file",
		Options: map[string]string{"file_path": b.o.AuditLog},
	})
}

func (b *boot) engine(ctx context.Context) error {
	have, err := b.c.Sys().ListMountsWithContext(ctx)
	if err != nil {
		return err
	}
	if m := have[DatabaseMount+"/"]; m != nil {
		if m.Type != "database" {
			return fmt.Errorf("%s/ is taken by an engine of type %q", DatabaseMount, m.Type)
		}
		return nil
	}
	return b.c.Sys().MountWithContext(ctx, DatabaseMount, &api.MountInput{Type: "database"})
}

// connection configures Vault's way into MySQL once, with an account of its
// own, and rotates that account's password at every run: a rotation that works
// proves that Vault can log in; one that fails means that it cannot.
func (b *boot) connection(ctx context.Context) error {
	name := DatabaseMount + "/config/" + ConnectionName
	have, err := b.c.Logical().ReadWithContext(ctx, name)
	if err != nil {
		return err
	}
	rotate := DatabaseMount + "/rotate-root/" + ConnectionName
	if have != nil && have.Data["plugin_name"] == pluginName && b.sameServer(have) {
		if err = b.write(ctx, rotate, nil); err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
	}
	password, err := b.adminAccount(ctx)
	if err != nil {
		return fmt.Errorf("account %s: %w", b.o.AdminUser, err)
	}
	data := map[string]any{
		"plugin_name":    pluginName,
		"connection_url": b.connectionURL(),
		"allowed_roles":  DatabaseRole,
		"username":       b.o.AdminUser,
		"password":       password,
	}
	if b.o.UserPrefix != "" {
		data["username_template"] = b.o.UserPrefix + "{{random 20}}"
	}
	if err := b.write(ctx, name, data); err != nil {
		return err
	}
	if err := b.write(ctx, rotate, nil); err != nil {
		return fmt.Errorf("rotate root: %w", err)
	}
	b.r.SpentPassword = password
	return nil
}

const pluginName = "mysql-database-plugin"

func (b *boot) connectionURL() string {
	return "{{username}}:{{password}}@tcp(" + b.o.MySQLAddr + ")/"
}

func (b *boot) sameServer(s *api.Secret) bool {
	details, _ := s.Data["connection_details"].(map[string]any)
	return details["connection_url"] == b.connectionURL() && details["username"] == b.o.AdminUser
}

func (b *boot) role(ctx context.Context) error {
	on := DatabaseName + ".*"
	if b.o.TableGrants {
		on = DatabaseName + "." + TableName
	}
	data := map[string]any{
		"db_name": ConnectionName,
		"creation_statements": []string{
			"CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}';",
			"GRANT SELECT, INSERT ON " + on + " TO '{{name}}'@'%';",
		},
	}
	setDuration(data, "default_ttl", b.o.LeaseTTL)
	setDuration(data, "max_ttl", b.o.LeaseMaxTTL)
	return b.write(ctx, DatabaseMount+"/roles/"+DatabaseRole, data)
}

func setDuration(m map[string]any, key string, d time.Duration) {
	if d != 0 {
		m[key] = d.String()
	}
}

func (b *boot) policy(ctx context.Context) error {
	return b.c.Sys().PutPolicyWithContext(ctx, PolicyName, cmp.Or(b.o.Policy, Policy))
}

func (b *boot) appRole(ctx context.Context) error {
	have, err := b.c.Sys().ListAuthWithContext(ctx)
	if err != nil {
		return err
	}
	if have[AppRoleMount+"/"] == nil {
		if err := b.c.Sys().EnableAuthWithOptionsWithContext(ctx, AppRoleMount, &api.EnableAuthOptions{Type: "approle"}); err != nil {
			return err
		}
	}
	data := map[string]any{"token_policies": []string{PolicyName}}
	setDuration(data, "token_ttl", b.o.TokenTTL)
	setDuration(data, "token_max_ttl", b.o.TokenMaxTTL)
	setDuration(data, "secret_id_ttl", b.o.SecretIDTTL)
	if b.o.SecretIDNumUses != 0 {
		data["secret_id_num_uses"] = b.o.SecretIDNumUses
	}
	role := "auth/" + AppRoleMount + "/role/" + AppRoleName
	if err := b.write(ctx, role, data); err != nil {
		return err
	}
	s, err := b.c.Logical().ReadWithContext(ctx, role+"/role-id")
	if err != nil {
		return err
	}
	b.r.RoleID, err = stringField(s, "role_id")
	return err
}

func (b *boot) deliver(ctx context.Context) error {
	if b.o.DeliverDir == "" {
		return nil
	}
	if err := deliverFile(b.o.DeliverDir, RoleIDFile, b.r.RoleID); err != nil {
		return err
	}
	return NewSecretID(ctx, b.c, b.o.DeliverDir)
}

func stringField(s *api.Secret, key string) (string, error) {
	if s != nil {
		if v, ok := s.Data[key].(string); ok && v != "" {
			return v, nil
		}
	}
	return "", fmt.Errorf("the answer has no %s", key)
}

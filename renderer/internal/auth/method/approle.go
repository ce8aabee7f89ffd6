package method

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"vault-renderer/renderer/internal/vault"
)

// AppRole is the approle method. Both files are read again at every login.
type AppRole struct {
	Client                       *vault.Client
	MountPath                    string // "auth/approle"
	RoleIDFilePath               string
	SecretIDFilePath             string // "" = no SecretID
	RemoveSecretIDFileAfterRead  bool
	SecretIDResponseWrappingPath string // "" = the file holds the SecretID itself
	Log                          *slog.Logger

	// SecretIDRenew has the method mint its next SecretID, wrapped, and put the
	// wrapping token into SecretIDFilePath: see renewal. The file is then never
	// removed: its content is replaced.
	SecretIDRenew bool
	// SecretIDRenewPath is where: "auth/approle/role/NAME/secret-id". Policy:
	// update.
	SecretIDRenewPath string
	// SecretIDRenewWrapTTL is how long a wrapping token lives; 0 = as long as
	// the SecretID, a week at most.
	SecretIDRenewWrapTTL time.Duration
	// Lookup is the time between questions whether somebody else has used the
	// wrapping token in the file: 0 = a tenth of its life, 10 s at least and
	// 5 min at most; below 0 = only at a login.
	Lookup time.Duration
	Memory Memory         // nil = nothing is remembered over a restart
	Rand   func() float64 // gives [0,1); nil = 0

	alarm    func(string)
	renewing *renewal
	roleID   cached
	secretID cached
	spent    spent
}

// spent is the last wrapping token that is of no use any more. Vault is not
// asked about it again.
type spent struct {
	token string
	why   error // nil: it gave the SecretID that is in use
}

// Login implements Method.
func (m *AppRole) Login(ctx context.Context) (*vault.Auth, error) {
	roleID, err := m.roleID.load(file{path: m.RoleIDFilePath, what: "role_id", log: m.Log})
	if err != nil {
		return nil, err
	}
	body := map[string]any{"role_id": roleID}
	if m.renews() {
		return m.renewal().login(ctx, roleID)
	}
	if m.SecretIDFilePath == "" {
		return m.Client.Login(ctx, m.MountPath+"/login", body)
	}
	secretID, err := m.loadSecretID(ctx)
	if err != nil {
		return nil, err
	}
	body["secret_id"] = secretID
	a, err := m.Client.Login(ctx, m.MountPath+"/login", body)
	switch {
	case !m.wrapped():
		err = m.file().used(secretID, removal{on: m.RemoveSecretIDFileAfterRead}, err)
	case err != nil && answered(err):
		err = fmt.Errorf("%w; the SecretID came out of a wrapping token, which is used up: put a new one into %s", err, m.SecretIDFilePath)
	}
	return a, err
}

func (m *AppRole) wrapped() bool { return m.SecretIDResponseWrappingPath != "" }

// file is where the SecretID lies, or the token that wraps it.
func (m *AppRole) file() file {
	f := file{path: m.SecretIDFilePath, what: "secret_id", log: m.Log}
	if m.wrapped() {
		f.what = "wrapped secret_id"
	}
	return f
}

func (m *AppRole) loadSecretID(ctx context.Context) (string, error) {
	if !m.wrapped() {
		return m.secretID.load(m.file())
	}
	wrapping, err := m.file().read()
	if err == nil && wrapping != m.spent.token {
		if err := m.unwrap(ctx, wrapping); err != nil {
			return "", err
		}
	}
	switch id := m.secretID.get(); {
	case id != "":
		return id, nil
	case err != nil:
		return "", err
	}
	return "", m.spent.why
}

// unwrap takes the SecretID out of a wrapping token, but only when the token
// was made where the configuration says: another path means that somebody put
// a token of his own there. Its errors leave the token as it is; one that is
// of no use is spent.
func (m *AppRole) unwrap(ctx context.Context, wrapping string) error {
	t := vault.NewToken(wrapping)
	path, err := m.Client.WrapLookup(ctx, t)
	switch {
	case vault.ClassOf(err) == vault.Invalid:
		m.useless(wrapping, fmt.Errorf("the wrapping token in %s has expired, was used up or never was one (if nobody should have used it, somebody else has the SecretID): put a new one there: %w", m.SecretIDFilePath, err))
		return nil
	case err != nil:
		return err
	case path != m.SecretIDResponseWrappingPath:
		m.Log.Error("security: the wrapping token was made at another path than expected; it was not used",
			"file", m.SecretIDFilePath, "path", path, "expected", m.SecretIDResponseWrappingPath)
		return fmt.Errorf("the wrapping token in %s was made at %q, expected %q", m.SecretIDFilePath, path, m.SecretIDResponseWrappingPath)
	}
	data, err := m.Client.Unwrap(ctx, t)
	switch {
	case err != nil && !answered(err):
		return err
	case err != nil:
		m.useless(wrapping, fmt.Errorf("the wrapping token in %s: put a new one there: %w", m.SecretIDFilePath, err))
		return nil
	}
	id, _ := data.Unwrap()["secret_id"].(string)
	if id == "" {
		m.useless(wrapping, fmt.Errorf("the wrapping token in %s held no secret_id: put a new one there", m.SecretIDFilePath))
		return nil
	}
	m.secretID.set(id)
	m.spent = spent{token: wrapping}
	if m.RemoveSecretIDFileAfterRead {
		m.file().remove(wrapping, false) // used up: nobody can do anything with it
	}
	return nil
}

// useless remembers a wrapping token that gave nothing. A SecretID from before
// stays in use.
func (m *AppRole) useless(wrapping string, why error) {
	m.spent = spent{wrapping, why}
	if m.secretID.get() != "" {
		m.Log.Warn("the SecretID of before is used again", "error", why)
	}
}

// Package kerberos logs in with a Kerberos ticket (SPNEGO): a keytab gives a
// ticket for Vault's service, and the ticket stands in the login's
// Authorization header. Keytab and krb5.conf are read again at every login,
// and no ticket is kept.
package kerberos

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/spnego"
	"github.com/jcmturner/gokrb5/v8/types"

	"vault-renderer/renderer/internal/vault"
)

// Method is the kerberos method.
type Method struct {
	Client                 *vault.Client
	MountPath              string // "auth/kerberos"
	Username               string // a principal of the keytab, without the realm
	Service                string // Vault's principal, such as HTTP/vault.example.com
	Realm                  string
	KeytabPath             string
	Krb5ConfPath           string
	DisableFastNegotiation bool
	Log                    *slog.Logger
}

// Login implements auth.Method. The header goes with this request only: other
// requests of the client carry no ticket.
func (m *Method) Login(ctx context.Context) (*vault.Auth, error) {
	token, err := m.ticket(ctx)
	if err != nil {
		return nil, fmt.Errorf("kerberos: %w", err)
	}
	header := http.Header{"Authorization": {"Negotiate " + base64.StdEncoding.EncodeToString(token)}}
	a, err := m.Client.LoginWith(ctx, m.MountPath+"/login", map[string]any{}, header)
	var ve *vault.Error
	if errors.As(err, &ve) && ve.Status == http.StatusUnauthorized {
		// Vault itself gives no reason.
		return nil, fmt.Errorf("%w: Vault does not take the ticket: either its keytab is not that of %s, or %s gets no Authorization header (passthrough_request_headers)",
			err, m.Service, m.MountPath)
	}
	return a, err
}

// ticket asks the KDC. The library knows no context: when ctx ends first, its
// goroutine ends by the library's own time limits, some seconds later.
func (m *Method) ticket(ctx context.Context) ([]byte, error) {
	kt, conf, err := m.load()
	if err != nil {
		return nil, err
	}
	type result struct {
		token []byte
		err   error
	}
	done := make(chan result, 1)
	go func() {
		token, err := m.ask(kt, conf)
		done <- result{token, err}
	}()
	select {
	case r := <-done:
		return r.token, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("no answer from the KDC of realm %s in time: %w", m.Realm, ctx.Err())
	}
}

// load reads both files.
func (m *Method) load() (kt *keytab.Keytab, conf *config.Config, err error) {
	defer recovered(&err, "read "+m.KeytabPath+" and "+m.Krb5ConfPath)
	raw, err := os.ReadFile(m.KeytabPath)
	if err != nil {
		return nil, nil, fmt.Errorf("keytab: %w", err)
	}
	kt = keytab.New()
	if kt.Unmarshal(raw) != nil { // its words may quote the file
		return nil, nil, fmt.Errorf("keytab: %s is no keytab", m.KeytabPath)
	}
	text, err := os.ReadFile(m.Krb5ConfPath)
	if err != nil {
		return nil, nil, fmt.Errorf("krb5.conf: %w", err)
	}
	conf, err = config.NewFromString(string(text))
	if err != nil {
		if _, unsupported := err.(config.UnsupportedDirective); !unsupported {
			return nil, nil, fmt.Errorf("krb5.conf: %s: %w", m.Krb5ConfPath, err)
		}
		m.Log.Warn("krb5.conf has directives that are not understood", "file", m.Krb5ConfPath, "error", err)
	}
	return kt, conf, nil
}

// ask gets a ticket for the user, with it one for Vault's service, and makes
// the SPNEGO token of it.
func (m *Method) ask(kt *keytab.Keytab, conf *config.Config) (token []byte, err error) {
	defer recovered(&err, "log in as "+m.Username+"@"+m.Realm)
	cl := client.NewWithKeytab(m.Username, m.Realm, kt, conf,
		client.AssumePreAuthentication(m.hasPreferredKey(kt, conf)), client.DisablePAFXFAST(m.DisableFastNegotiation))
	defer cl.Destroy()
	if err := cl.Login(); err != nil {
		return nil, fmt.Errorf("log in as %s@%s with the keytab %s: %w", m.Username, m.Realm, m.KeytabPath, err)
	}
	s := spnego.SPNEGOClient(cl, m.Service)
	t, err := s.InitSecContext()
	if err != nil {
		return nil, fmt.Errorf("get a ticket for %s: %w", m.Service, err)
	}
	token, err = t.Marshal()
	if err != nil {
		return nil, fmt.Errorf("make the SPNEGO token: %w", err)
	}
	return token, nil
}

// hasPreferredKey says whether the keytab has the user's key of the type that
// krb5.conf prefers (preferred_preauth_types): the first request then carries
// the proof that the KDC wants. Without it the KDC is asked first for the
// types that it takes.
func (m *Method) hasPreferredKey(kt *keytab.Keytab, conf *config.Config) bool {
	prefer := conf.LibDefaults.PreferredPreauthTypes
	if len(prefer) == 0 {
		return false
	}
	name := types.NewPrincipalName(1, m.Username) // KRB_NT_PRINCIPAL
	_, _, err := kt.GetEncryptionKey(name, m.Realm, 0, int32(prefer[0]))
	return err == nil
}

// recovered turns a panic of the library, which broken files and answers can
// cause, into an error.
func recovered(err *error, what string) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%s: the file or the KDC's answer is malformed", what)
	}
}

package agent

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"vault-renderer/renderer/internal/auth"
	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/rollout"
	"vault-renderer/renderer/internal/vault"
)

// Preview is what a run would leave on this host if it were made now.
type Preview struct {
	Files     []rollout.Output
	Variables []Variable
	Secrets   []*vault.Secret // that were read
	// Unrevoked says why the token of the preview still lives; nil = it does
	// not, or it is the caller's own.
	Unrevoked error

	files []planned
}

// Variable is what a supervised program would be given.
type Variable struct{ Name, Value string }

// planned is a file with the number of the template that it belongs to.
type planned struct {
	rollout.Output
	of int
}

// NewPreview runs a configuration once with nothing written: no file, no sink,
// no hook, and credential files stay. At its end the token is revoked, and with
// it all that was leased, unless it came from a token_file.
func NewPreview(ctx context.Context, o Options) (*Preview, hcl.Diagnostics, error) {
	p := &Preview{}
	o.Config = harmless(o.Config)
	a := (*Agent)(nil)
	o.Place = func(outs []rollout.Output) ([]bool, error) {
		p.note(a.plan.units, outs)
		p.see(a.entries)
		return make([]bool, len(outs)), nil
	}
	a, diags := New(o)
	if diags.HasErrors() {
		return nil, diags, nil
	}
	a.dry = true
	l, err := a.tryLogin(ctx)
	if err != nil {
		return nil, nil, err
	}
	a.plan.method = l
	err = a.Run(ctx)
	if err == nil {
		err = ctx.Err()
	}
	p.see(a.entries)
	slices.SortStableFunc(p.files, func(a, b planned) int { return a.of - b.of })
	for _, f := range p.files {
		p.Files = append(p.Files, f.Output)
	}
	for _, u := range a.plan.units {
		if u.variable != "" && u.done {
			p.Variables = append(p.Variables, Variable{u.variable, u.value})
		}
	}
	p.Unrevoked = l.revoke(a.plan.client, o.Config)
	return p, nil, err
}

// note keeps the last state of each file. The side files of a template follow
// its own.
func (p *Preview) note(units []*unit, outs []rollout.Output) {
	of := 0
	for _, o := range outs {
		if i := slices.IndexFunc(units, func(u *unit) bool { return u.file.Path == o.File.Path }); i >= 0 {
			of = i
		}
		p.files = slices.DeleteFunc(p.files, func(f planned) bool { return f.File.Path == o.File.Path })
		p.files = append(p.files, planned{o, of})
	}
}

// see notes the secrets that are there: at each file, because what a template
// no longer uses goes away.
func (p *Preview) see(entries map[vault.Request]*entry) {
	for _, e := range entries {
		if e.secret != nil && !slices.Contains(p.Secrets, e.secret) {
			p.Secrets = append(p.Secrets, e.secret)
		}
	}
}

// Visit logs in as the configuration says, lets f ask what it likes, and
// revokes the token as NewPreview does. left is why the token still lives.
func Visit(ctx context.Context, o Options, f func(*vault.Session) error) (left error, diags hcl.Diagnostics, err error) {
	cfg := harmless(o.Config)
	cfg.Templates, cfg.EnvTemplates = nil, nil
	o.Config = cfg
	a, diags := New(o)
	if diags.HasErrors() {
		return nil, diags, nil
	}
	l, err := a.tryLogin(ctx)
	if err != nil {
		return nil, nil, err
	}
	err = f(a.plan.client.With(l.first.ClientToken, 1))
	left = l.revoke(a.plan.client, cfg)
	a.plan.client.CloseIdleConnections()
	return left, nil, err
}

// Why there is no looking with this configuration.
var (
	ErrNoLogin      = errors.New("the configuration has no auto_auth block: there is no way to log in")
	ErrOneUse       = errors.New("the SecretID is wrapped, and unwrapping it here would take it from the agent")
	ErrWrappedLogin = errors.New("the login is wrapped: nobody but the reader of the sink gets the token")
)

// tryLogin logs in once, where that takes nothing from anybody.
func (a *Agent) tryLogin(ctx context.Context) (*logins, error) {
	m := methodOf(a.plan.cfg)
	switch {
	case a.plan.method == nil:
		return nil, ErrNoLogin
	case m.WrapTTL > 0:
		return nil, ErrWrappedLogin
	case m.AppRole != nil && m.AppRole.SecretIDResponseWrappingPath != "":
		return nil, ErrOneUse
	}
	l := &logins{method: a.plan.method}
	first, err := l.Login(ctx)
	if err != nil {
		return nil, err
	}
	l.first, l.next = first, first
	return l, nil
}

// logins is a method that remembers its tokens. The first login has been made
// before the run, so that its failure ends the whole.
type logins struct {
	method      auth.Method
	first, next *vault.Auth
	tokens      []vault.Token
}

func (l *logins) Login(ctx context.Context) (*vault.Auth, error) {
	if a := l.next; a != nil {
		l.next = nil
		return a, nil
	}
	a, err := l.method.Login(ctx)
	if err == nil {
		l.tokens = append(l.tokens, a.ClientToken)
	}
	return a, err
}

// revoke ends the tokens that were made here. A token that was there before is
// not ours to end.
func (l *logins) revoke(c *vault.Client, cfg *config.Config) error {
	if cfg.AutoAuth.Method.TokenFile != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var errs []error
	for _, t := range l.tokens {
		errs = append(errs, c.With(t, 1).RevokeSelf(ctx))
	}
	return errors.Join(errs...)
}

// harmless is a copy of a configuration whose run ends by itself, tells nobody
// and leaves the credential files.
func harmless(cfg *config.Config) *config.Config {
	c := *cfg
	c.ExitAfterAuth = true
	c.Vault.NumRetries = min(c.Vault.NumRetries, 1) // somebody waits for the answer
	c.Rollouts, c.StateFile, c.Status, c.OnExit = nil, "", nil, config.OnExit{}
	c.Leases.OwnToken, c.Exec = false, nil
	c.Templates = slices.Clone(cfg.Templates)
	for i := range c.Templates {
		t := &c.Templates[i]
		t.Exec, t.Signal, t.Wait, t.Rollout = nil, nil, nil, ""
	}
	if cfg.AutoAuth == nil {
		return &c
	}
	a := *cfg.AutoAuth
	a.Sinks, a.ReauthOnNewCredential = nil, false
	m := &a.Method
	if m.AppRole != nil {
		x := *m.AppRole
		if x.SecretIDRenew { // what lies in the file may be wrapped by now
			x.SecretIDResponseWrappingPath = cmp.Or(x.SecretIDResponseWrappingPath, x.SecretIDRenewPath)
		}
		x.RemoveSecretIDFileAfterRead, x.SecretIDRenew = false, false
		m.AppRole = &x
	}
	if m.JWT != nil {
		x := *m.JWT
		x.RemoveAfterReading = false
		m.JWT = &x
	}
	if m.LDAP != nil {
		x := *m.LDAP
		x.RemoveAfterReading = false
		m.LDAP = &x
	}
	c.AutoAuth = &a
	return &c
}

// InPlace is what a file holds now; there is false when it is not there.
func InPlace(path string) (content string, there bool, err error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", false, nil
	}
	return string(raw), err == nil, err
}

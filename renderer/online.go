package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"vault-renderer/renderer/internal/agent"
	"vault-renderer/renderer/internal/auth/method"
	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/limits"
	"vault-renderer/renderer/internal/report"
	"vault-renderer/renderer/internal/vault"
)

// grants is what Vault grants to a configuration.
type grants struct {
	limits.Report
	Missing []string `json:"missing_policy"` // lines of a policy
}

// ask logs in, measures, and ends what it made.
func (f *validateFlags) ask(cfg *config.Config, stderr io.Writer) (*grants, error) {
	requests, err := certain(cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), f.timeout)
	defer cancel()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	out := &grants{Missing: []string{}}
	measured, err := f.visit(ctx, cfg, stderr, func(s *vault.Session) error {
		return out.measure(ctx, s, cfg, requests, stderr)
	})
	switch {
	case err == nil:
		return out, nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = report.WithHint(fmt.Errorf("gave up asking Vault after %s: %w", f.timeout, err), "does Vault answer? -timeout allows more time")
	case ctx.Err() != nil:
		err = errors.New("interrupted")
	case !measured:
		err = loginHint(err)
	}
	return nil, err
}

// measure asks for what the templates need, and for what the token may do.
func (g *grants) measure(ctx context.Context, s *vault.Session, cfg *config.Config, requests []vault.Request, stderr io.Writer) error {
	policy := lease.Policy{Threshold: cfg.TemplateConfig.LeaseRenewalThreshold, ReplaceBefore: cfg.Leases.ReplaceBefore}
	found, left, err := limits.Measure(ctx, s, limits.Options{Requests: requests, Policy: policy, Borrowed: borrowed(cfg)})
	if left != nil {
		fmt.Fprintf(stderr, "vault-renderer: warning: %s\n", oneLine(left.Error()))
	}
	if err != nil {
		return err
	}
	g.Report = found
	if g.Secrets == nil {
		g.Secrets = []limits.Secret{}
	}
	g.Missing, err = missing(ctx, s, rulesOf(cfg, found))
	return err
}

// visit logs in, lets f ask, and revokes the token. began is whether f did.
func (f *validateFlags) visit(ctx context.Context, cfg *config.Config, stderr io.Writer, ask func(*vault.Session) error) (began bool, err error) {
	noted := func(s *vault.Session) error { began = true; return ask(s) }
	if !oneUse(cfg) {
		left, diags, err := agent.Visit(ctx, f.quietly(cfg, stderr), noted)
		if diags.HasErrors() {
			printDiagnostics(stderr, cfg, onlyErrors(diags))
			return began, errors.New("there is no way to ask Vault")
		}
		unrevoked(stderr, left)
		return began, err
	}
	if !f.useSecretID {
		return false, report.WithHint(errors.New("the SecretID is wrapped: logging in would use it up, and the agent would find it gone"),
			"-use-secret-id logs in all the same; deliver a new SecretID to the agent afterwards")
	}
	left, err := useUp(ctx, cfg, noted)
	unrevoked(stderr, left)
	return began, err
}

// oneUse says whether a login takes from the agent what it needs.
func oneUse(cfg *config.Config) bool {
	if cfg.AutoAuth == nil || cfg.AutoAuth.Method.AppRole == nil {
		return false
	}
	a := cfg.AutoAuth.Method.AppRole
	return a.SecretIDResponseWrappingPath != "" || a.SecretIDRenew
}

// borrowed says whether the token is there before the agent comes.
func borrowed(cfg *config.Config) bool {
	return cfg.AutoAuth != nil && cfg.AutoAuth.Method.TokenFile != nil
}

// useUp is a visit by means of a wrapped SecretID.
func useUp(ctx context.Context, cfg *config.Config, ask func(*vault.Session) error) (left, err error) {
	m, v := cfg.AutoAuth.Method, cfg.Vault
	if m.WrapTTL > 0 {
		return nil, agent.ErrWrappedLogin
	}
	c, err := vault.New(vault.Options{
		Address: v.Address, CACert: v.CACert, CAPath: v.CAPath, ClientCert: v.ClientCert, ClientKey: v.ClientKey,
		TLSSkipVerify: v.TLSSkipVerify, TLSServerName: v.TLSServerName, Namespace: v.Namespace, AuthNamespace: m.Namespace,
		UserAgent: "vault-renderer/" + version,
	})
	if err != nil {
		return nil, err
	}
	defer c.CloseIdleConnections()
	a := m.AppRole
	login := &method.AppRole{
		Client: c, MountPath: m.MountPath, RoleIDFilePath: a.RoleIDFilePath, SecretIDFilePath: a.SecretIDFilePath,
		SecretIDResponseWrappingPath: first(a.SecretIDResponseWrappingPath, a.SecretIDRenewPath), Log: slog.New(slog.DiscardHandler),
	}
	got, err := login.Login(ctx)
	if err != nil {
		return nil, err
	}
	s := c.With(got.ClientToken, 1)
	err = ask(s)
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return s.RevokeSelf(bound), err
}

// certain gives the requests that the agent makes whatever the secrets hold.
func certain(cfg *config.Config) (out []vault.Request, err error) {
	sheets, diags := agent.Sheets(cfg, agent.Surroundings{})
	if diags.HasErrors() {
		return nil, diags
	}
	for _, s := range sheets {
		for _, r := range s.Certain() {
			if !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

// err is why the configuration would not do, with this token.
func (g *grants) err() error {
	var errs []error
	for _, s := range g.Secrets {
		if s.Err() != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.Secret, s.Err()))
		}
	}
	if len(g.Missing) > 0 {
		errs = append(errs, report.WithHint(
			fmt.Errorf("the token's policies lack what the configuration needs: %s", strings.Join(g.Missing, " ")),
			`add the lines to a policy of the token; "vault-renderer policy" prints those that the templates need`))
	}
	return errors.Join(errs...)
}

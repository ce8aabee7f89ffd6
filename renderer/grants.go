package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/limits"
	"vault-renderer/renderer/internal/policy"
	"vault-renderer/renderer/internal/vault"
)

// rulesOf are the policy lines that the agent needs beside those of the
// templates, to keep what was found.
func rulesOf(cfg *config.Config, found limits.Report) (out []policy.Rule) {
	need := func(when bool, path string, capability string) {
		if when {
			out = append(out, policy.Rule{Path: path, Capabilities: []string{capability}})
		}
	}
	leased := slices.ContainsFunc(found.Secrets, func(s limits.Secret) bool { return s.Lease != "" })
	renews := slices.ContainsFunc(found.Secrets, func(s limits.Secret) bool { return s.Lease != "" && (s.Renewable || s.Err() != nil) })
	ours := !borrowed(cfg)
	need(found.Token.Renewable, "auth/token/renew-self", "update")
	need(true, "auth/token/lookup-self", "read")
	need(ours && (revokes(cfg) || cfg.OnExit.Revoke) || cfg.Leases.OwnToken && leased, "auth/token/revoke-self", "update")
	need(leased && cfg.Leases.OwnToken, "auth/token/create", "update")
	need(leased && cfg.Leases.LookupInterval >= 0, "sys/leases/lookup", "update")
	need(renews, "sys/leases/renew", "update")
	// A lease with a token of its own ends with that, and at the end of the program
	// all leases end with a token that it made.
	need(leased && !cfg.Leases.OwnToken && (revokes(cfg) || cfg.OnExit.Revoke && !ours), "sys/leases/revoke", "update")
	if cfg.AutoAuth != nil {
		if a := cfg.AutoAuth.Method.AppRole; a != nil && a.SecretIDRenew {
			path := first(a.SecretIDRenewPath, a.SecretIDResponseWrappingPath)
			need(true, path, "update")
			need(true, path+"/lookup", "update")
		}
	}
	return out
}

// revokes says whether credentials that are not used any more are revoked.
func revokes(cfg *config.Config) bool {
	return cfg.Leases.Revoke == config.RevokeAlways || slices.ContainsFunc(cfg.Rollouts, func(r config.Rollout) bool {
		return r.Revoke == config.RevokeAlways || r.Revoke == config.RevokeAcked && r.Ack != nil
	})
}

// missing gives the rules that the session's token lacks, as a policy has them.
func missing(ctx context.Context, s *vault.Session, rules []policy.Rule) ([]string, error) {
	paths := make([]string, len(rules))
	for i, r := range rules {
		paths[i] = r.Path
	}
	may, err := s.Capabilities(ctx, paths)
	if err != nil {
		return nil, err
	}
	out := []string{}
	for _, r := range rules {
		has := may[r.Path]
		if !slices.Contains(has, "root") && !slices.Contains(has, r.Capabilities[0]) {
			out = append(out, r.HCL())
		}
	}
	return out, nil
}

// print shows the limits to people.
func (g *grants) print(w io.Writer) error {
	var out bytes.Buffer
	fmt.Fprintln(&out, "\n"+tokenLife(g.Token))
	columns(&out, []string{"SECRET", "LEASE", "WITH RENEWALS", "BOUND BY", "LIVES", "OVERLAP"}, g.Secrets, func(s limits.Secret) []string {
		switch {
		case s.Lease == "" && s.Err() != nil:
			return []string{s.Secret, "-", "-", "not there", "-", "-"}
		case s.Lease == "":
			return []string{s.Secret, "none", "-", s.Limit.String(), "-", "-"}
		}
		return []string{s.Secret, span(s.TTL), span(s.Max), s.Limit.String(), span(s.Lives), span(s.Overlap)}
	})
	if len(g.Missing) > 0 {
		fmt.Fprintln(&out, "\nMissing in the token's policies:")
		for _, line := range g.Missing {
			fmt.Fprintln(&out, line)
		}
	}
	_, err := out.WriteTo(w)
	return err
}

func tokenLife(t limits.Token) string {
	text := "The token never ends."
	switch {
	case t.TTL == 0:
	case t.Unknown:
		text = fmt.Sprintf("The token lives %s, and longer when it is renewed: how long, only renewing it would tell.", span(t.TTL))
	case t.Renewable && t.Max == 0:
		text = fmt.Sprintf("The token lives %s, and for ever when it is renewed.", span(t.TTL))
	case t.Renewable:
		text = fmt.Sprintf("The token lives %s, with renewals %s.", span(t.TTL), span(t.Max))
	default:
		text = fmt.Sprintf("The token lives %s and can't be renewed.", span(t.TTL))
	}
	if t.Uses > 0 {
		text += fmt.Sprintf(" It is good for %d requests only: that is not enough for an agent.", t.Uses)
	}
	return text
}

func span(s limits.Span) string {
	if s == 0 {
		return "for ever"
	}
	return brief(time.Duration(s))
}

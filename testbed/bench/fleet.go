package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
)

// fleetAgents are how many agents the fleet has.
const fleetAgents = 100_000

// fleetLimit is how much more than the mean the busiest second may ask of Vault.
const fleetLimit = 4

// fleet adds what Vault sees of a great many agents that were started within the
// same ten seconds, each with a token and a lease of an hour: the busiest second
// of the day and a half after that beside the mean, with jitter and without; the same
// after all were started anew, with and without a state file. The package that
// plans renewals follows its own plans for that; nothing runs and nothing waits.
func (b *rig) fleet(ctx context.Context, rep *report) error {
	n := fleetAgents
	if b.o.short {
		n /= 10
	}
	b.say("a fleet of %d agents, simulated", n)
	raw, err := b.goTest(ctx, "vault-renderer/renderer/internal/lease", "-run=^TestFleet$/^(with_jitter|without_jitter|restarted|restarted_and_resumed)$",
		"-count=1", "-v", "-fleet="+strconv.Itoa(n))
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name, figure string
		limit        float64
	}{
		{"with jitter", "fleet", fleetLimit},
		{"without jitter", "fleet, no jitter", 0},
		{"restarted", "fleet restarted", fleetLimit},
		{"restarted and resumed", "fleet resumed", fleetLimit},
	} {
		f, err := fleetFigures(raw, c.name)
		if err != nil {
			return err
		}
		rep.add(figure{Name: c.figure + ": mean", Unit: "/s", Ours: f.mean})
		rep.add(figure{Name: c.figure + ": peak", Unit: "/s", Ours: f.peak})
		rep.add(figure{Name: c.figure + ": peak to mean", Unit: "x", Ours: f.peak / f.mean, Limit: c.limit})
		if c.name != "with jitter" && c.name != "without jitter" {
			rep.add(figure{Name: c.figure + ": new leases", Ours: f.made})
		}
	}
	return nil
}

// fleetResult are the figures of one case.
type fleetResult struct{ peak, mean, made float64 }

// fleetFigures finds a case in what the test said.
func fleetFigures(out []byte, name string) (r fleetResult, err error) {
	m := regexp.MustCompile(`(?m): ` + name + `: peak ([\d.]+)/s, mean ([\d.]+)/s, .* (\d+) credentials made anew$`).FindSubmatch(out)
	if m == nil {
		return r, fmt.Errorf("no figures of a fleet %s in %q", name, out)
	}
	for i, to := range []*float64{&r.peak, &r.mean, &r.made} {
		if *to, err = strconv.ParseFloat(string(m[i+1]), 64); err != nil {
			return r, err
		}
	}
	if r.mean == 0 {
		return r, fmt.Errorf("a fleet that asks nothing: %q", out)
	}
	return r, nil
}

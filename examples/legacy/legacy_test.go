package legacy

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// set is one directory of files, and what a host has when its agent has done
// its work.
type set struct {
	name    string
	config  []string
	install func(*host) error // puts the files where they belong
	deliver func(*host) error // what comes to a host in other ways
	run     func(*testing.T, *host) *outcome
	want    []string // rendered files and sinks, below the host's root
	gone    []string // files that reading removes
	calls   int      // different ones of systemctl
}

func sets() []set {
	return []set{
		{
			name: "systemd-host", config: []string{"etc/vault-agent.d/agent.hcl"},
			install: installTree, deliver: deliverAppRole, run: runUnit,
			want:  []string{"run/notes/my.cnf", "run/notes/api.env", "run/vault-agent/token", "run/vault-agent/agent.pid"},
			gone:  []string{"var/lib/vault-agent/secret_id"},
			calls: 2,
		},
		{
			name: "systemd-notify", config: []string{"etc/vault-agent/agent.json", "etc/vault-agent/conf.d"},
			install: installTree, deliver: deliverCertificate, run: runUnit,
			want: []string{
				"run/nginx-secrets/upstream.conf", "run/nginx-secrets/tls/site.pem", "run/metrics/secrets.list", "run/metrics/api.json",
				"run/vault-agent/token", "run/metrics/token", "run/vault-agent/agent.pid", "var/log/vault-agent/agent.log",
			},
			calls: 2,
		},
		{
			name: "ansible", config: []string{"etc/vault-agent/agent.hcl"},
			install: installRole, deliver: deliverWrapped, run: runUnit,
			want:  []string{"run/vault-agent/notes.env", "run/vault-agent/api/notes.ini", "run/vault-agent/token", "run/vault-agent/agent.pid"},
			gone:  []string{"etc/vault-agent/wrapped_secret_id"},
			calls: 1,
		},
		{
			name: "container", config: []string{"etc/vault-agent/agent.hcl"},
			install: installImage, deliver: deliverServiceAccount, run: runEntrypoint,
			want: []string{"run/notes/notes.env", "run/notes/tls.pem", "run/notes/.vault-token", "run/notes/agent.pid", "run/notes/started"},
		},
	}
}

// way is one of the ways to have an agent on a host.
type way struct {
	name    string
	renamed bool                     // README.md's one word is changed
	program func(w *world) [2]string // the name of the program, and what is behind it
}

func ways() []way {
	return []way{
		{"vault agent", false, func(w *world) [2]string { return [2]string{"vault", w.vault} }},
		{"renamed", true, func(w *world) [2]string { return [2]string{"vault-renderer", w.renderer} }},
		{"link", false, func(w *world) [2]string { return [2]string{"vault", w.renderer} }},
	}
}

// outcome is what an agent left on its host.
type outcome struct {
	working, ended map[string]string // path -> what it is, while it runs and at the end
	events         []string          // what a service manager sees
	output         string            // not compared
}

// TestLegacy runs each set in each way and compares with Vault Agent.
func TestLegacy(t *testing.T) {
	w := newWorld(t)
	for _, s := range sets() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			outcomes := map[string]*outcome{}
			for _, y := range ways() {
				t.Run(y.name, func(t *testing.T) { outcomes[y.name] = s.on(t, w, y) })
			}
			for _, y := range ways()[1:] {
				compare(t, y.name, outcomes[ways()[0].name], outcomes[y.name])
			}
		})
	}
}

// on runs the set on a host of its own.
func (s set) on(t *testing.T, w *world, y way) *outcome {
	h, err := newHost(t, w, s, y)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []func(*host) error{s.install, s.deliver} {
		if err := step(h); err != nil {
			t.Fatal(err)
		}
	}
	out := s.run(t, h)
	if t.Failed() || testing.Verbose() {
		t.Logf("%s\n%s", y.name, out.output)
	}
	if err := h.validate(s.config...); err != nil {
		t.Error(err)
	}
	if strings.Contains(out.output, "canary-") {
		t.Error("the output holds a secret")
	}
	for _, name := range s.gone {
		if _, ok := out.working[name]; ok {
			t.Errorf("%s is still there", name)
		}
	}
	return out
}

func compare(t *testing.T, name string, vault, ours *outcome) {
	t.Helper()
	if vault == nil || ours == nil {
		return // a failure that was told already
	}
	for _, part := range []struct {
		what string
		a, b any
	}{
		{"while it runs", vault.working, ours.working},
		{"after its end", vault.ended, ours.ended},
		{"seen by the service manager", vault.events, ours.events},
	} {
		if d := cmp.Diff(part.a, part.b); d != "" {
			t.Errorf("%s, %s (- Vault Agent, + vault-renderer):\n%s", name, part.what, d)
		}
	}
}

// ready waits until all that the agent is to make is there.
func (h *host) ready(ctx context.Context, ended <-chan struct{}) error {
	return await(ctx, ended, func() error {
		for _, name := range h.set.want {
			if !h.has(name) {
				return fmt.Errorf("%s is missing", name)
			}
		}
		if n := len(h.calls()); n < h.set.calls {
			return fmt.Errorf("%d of %d calls of systemctl", n, h.set.calls)
		}
		return nil
	})
}

// await asks again and again until there is no more to complain of.
func await(ctx context.Context, ended <-chan struct{}, check func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ended:
			if check() == nil {
				return nil
			}
			return fmt.Errorf("the agent ended: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("too late: %w", err)
		}
	}
}

// TestSetsAreComplete: every directory here is a set that is run.
func TestSetsAreComplete(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var found, want []string
	for _, e := range entries {
		if e.IsDir() {
			found = append(found, e.Name())
		}
	}
	for _, s := range sets() {
		want = append(want, s.name)
	}
	slices.Sort(want)
	if d := cmp.Diff(want, found); d != "" {
		t.Error(d)
	}
}

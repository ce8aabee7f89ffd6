package e2e

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"vault-renderer/testbed/bootstrap"
	"vault-renderer/testbed/faultproxy"
)

// managed is the configuration of a test with a rollout: checked by the webapp
// itself, acknowledged by its report, revoked, and resumed from a state file.
// The texts go into the blocks of their names.
type managed struct {
	approle, lease, reload string
	grace                  string // "1s" when not set
	ackTimeout             string // "20s" when not set
	keep                   bool   // on_exit = "keep"
	stateInOut             bool   // the state file lies beside the application's file
	gate                   bool   // the acks come through a proxy
	silentApp              bool   // the webapp does not tell the renderer of refused credentials
	smallDisk              bool   // the application's file lies on a tmpfs of its own, a small one
}

const managedConfig = `
strict     = true
pid_file   = "run/renderer.pid"
state_file = %[1]q
on_exit    = %[2]q

auto_auth {
  method "approle" {
    config = {
      role_id_file_path                   = "run/role_id"
      secret_id_file_path                 = "run/secret_id"
      remove_secret_id_file_after_reading = false
      %[3]s
    }
  }
  sink "file" {
    config = {
      path = "run/vault-token"
    }
  }
}

lease {
  grace = %[4]q
  %[5]s
}

status {
  address = "unix://%[6]s/run/status.sock"
}

template_config {
  static_secret_render_interval = "2s" # and how often somebody looks whether the file is still there
}

rollout "notes" {
  check {
    command = [%[7]q, "-check", "-config", "{}"]
    timeout = "10s"
  }
  %[8]s
  ack {
    url     = "%[9]s/-/generation"
    timeout = %[10]q
  }
}

template "config.ini" {
  source      = "templates/config.ini.tmpl"
  destination = "out/config.ini"
  perms       = 0600
  rollout     = "notes"
}
`

// managedPolicy is what docs/rollouts.md says a policy must allow.
const managedPolicy = bootstrap.Policy + `
path "sys/leases/revoke" {
  capabilities = ["update"]
  allowed_parameters = {
    "lease_id" = ["database/creds/mysql-role/*"]
    "sync"     = []
  }
}
path "auth/token/create" {
  capabilities = ["update"]
}
path "auth/approle/role/webapp-role/secret-id" {
  capabilities = ["update"]
}
`

func (r *rig) configureManaged() {
	r.t.Helper()
	m := r.o.managed
	mkdir(r.t, r.dir+"/out")
	if m.smallDisk {
		r.smallDisk()
	}
	mkdir(r.t, r.dir+"/templates")
	writeFile(r.t, r.dir+"/templates/config.ini.tmpl", readFile(r.t, servers.root+"/templates/config.ini.tmpl"))
	r.policy(managedPolicy)
	r.hook("exit 0")
	if strings.Contains(m.approle, "wrapping_path") {
		r.deliverWrapped()
	}
	r.proxy = r.proxyTo(r.vault.Addr())
	r.writeConfig()
}

// policy gives the renderer's token another policy; "" takes it away.
func (r *rig) policy(text string) {
	r.t.Helper()
	var err error
	if sys := r.vault.Client().Sys(); text == "" {
		err = sys.DeletePolicyWithContext(r.t.Context(), bootstrap.PolicyName)
	} else {
		err = sys.PutPolicyWithContext(r.t.Context(), bootstrap.PolicyName, text)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) proxyTo(target string) *faultproxy.Proxy {
	r.t.Helper()
	p, err := faultproxy.Start(target)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// writeConfig writes the configuration once the webapp's address is known; the
// webapp starts first then, and waits for its file.
func (r *rig) writeConfig() {
	r.t.Helper()
	m := r.o.managed
	r.startWebapp()
	ack := r.base
	if m.gate {
		r.acks = r.proxyTo(r.base)
		ack = r.acks.Addr()
	}
	state, exit := "run/state", "revoke"
	if m.stateInOut {
		state = "out/state"
	}
	if m.keep {
		exit = "keep"
	}
	writeFile(r.t, r.dir+"/config.hcl", fmt.Sprintf(managedConfig, state, exit, m.approle, cmp.Or(m.grace, "1s"), m.lease,
		r.dir, servers.webb, m.reload, ack, cmp.Or(m.ackTimeout, "20s")))
}

// write sends a request to Vault as root.
func (r *rig) write(path string, data map[string]any) {
	r.t.Helper()
	if _, err := r.vault.Client().Logical().WriteWithContext(context.Background(), path, data); err != nil {
		r.t.Fatal(err)
	}
}

// leases are the ids of the leases that Vault knows for the webapp's role.
func (r *rig) leases() (ids []string) {
	r.t.Helper()
	const role = "database/creds/" + bootstrap.DatabaseRole
	s, err := r.vault.Client().Logical().ListWithContext(r.t.Context(), "sys/leases/lookup/"+role)
	if err != nil {
		r.t.Fatal(err)
	}
	if s == nil {
		return nil
	}
	for _, k := range s.Data["keys"].([]any) {
		ids = append(ids, role+"/"+k.(string))
	}
	return ids
}

// revokeLeases ends all leases of the webapp's role, one by one.
func (r *rig) revokeLeases() {
	r.t.Helper()
	ids := r.leases()
	if len(ids) == 0 {
		r.t.Fatal("there is no lease")
	}
	for _, id := range ids {
		r.write("sys/leases/revoke", map[string]any{"lease_id": id, "sync": true})
	}
}

// nothingLeft ends both programs and checks that on_exit = "revoke" has left
// neither account nor file.
func (r *rig) nothingLeft() {
	r.t.Helper()
	r.stopLoad()
	for _, p := range []*process{r.web, r.renderer} {
		if err := p.end(); err != nil {
			r.t.Error(err)
		}
	}
	if n := r.accounts(); n != 0 {
		r.t.Errorf("%d accounts are left", n)
	}
	for _, path := range []string{r.file(), r.dir + "/run/vault-token", r.dir + "/run/state", r.dir + "/run/status.sock"} {
		if exists(path) {
			r.t.Errorf("%s is left", strings.TrimPrefix(path, r.outside+r.dir))
		}
	}
}

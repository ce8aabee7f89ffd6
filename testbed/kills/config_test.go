package kills

import (
	"fmt"
	"time"

	"vault-renderer/testbed/bootstrap"
)

// Lives in a campaign: each lease is renewed once, and replaced five seconds
// into its life, with two left for all kills that hit its replacement. The token
// is renewed all the time and never has to be replaced.
const (
	leaseTTL = 6 * time.Second
	leaseMax = 7 * time.Second
	tokenTTL = 20 * time.Second
	tokenMax = 2 * time.Hour
)

// policy is what docs/rollouts.md says such a configuration needs.
const policy = bootstrap.Policy + `
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
`

const configText = `strict     = true
pid_file   = "run/vault-renderer.pid"
state_file = "run/state"
on_exit    = "revoke"

vault {
  address = %[1]q
}

auto_auth {
  method "approle" {
    config = {
      role_id_file_path   = "run/role_id"
      secret_id_file_path = "run/secret_id"
    }
  }
}

status {
  address = "unix://%[2]s/run/status.sock"
}

lease {
  own_token = %[3]t
  revoke    = "acked"
  grace     = "500ms"
}

rollout "notes" {
  check {
    command = [%[4]q, "-check", "-config", "{run/config.ini}"]
    timeout = "5s"
  }
  ack {
    url         = "%[5]s/-/generation"
    destination = "run/config.ini"
    timeout     = "20s"
    interval    = "20ms"
  }
}

template "config.ini" {
  contents    = <<-EOT
    {{- with secret "database/creds/mysql-role" -}}
    [DATABASE]
    MYSQL_HOST = %[6]s
    MYSQL_PORT = %[7]s
    MYSQL_USER = {{ .Data.username }}
    MYSQL_PASSWORD = {{ .Data.password }}
    MYSQL_DB = notes_webapp
    {{ end -}}
    EOT
  destination = "run/config.ini"
  perms       = "0600"
  rollout     = "notes"
}
`

// cnfText is a template block for a file as my.cnf is.
const cnfText = `
template %[1]q {
  contents    = <<-EOT
    {{- with secret "database/creds/mysql-role" -}}
    [client]
    host = %[2]s
    port = %[3]s
    user = {{ .Data.username | mycnfQuote }}
    password = {{ .Data.password | mycnfQuote }}
    {{ end -}}
    EOT
  destination = "run/%[1]s"
  perms       = "0600"
  rollout     = "notes"
}
`

// between is how many files are renamed between config.ini and my.cnf: with two
// files the renames are so short that no kill hits them.
const between = 30

// files are all that the rollout writes, in the order of the renames.
func files() []string {
	out := []string{"config.ini"}
	for i := range between {
		out = append(out, fmt.Sprintf("client-%02d.cnf", i))
	}
	return append(out, "my.cnf")
}

// configuration is the renderer's file for a campaign in dir, whose application
// answers at app.
func configuration(dir, app string, own bool, dbHost, dbPort string) string {
	text := fmt.Sprintf(configText, servers.vault.Addr(), dir, own, servers.webapp, app, dbHost, dbPort)
	for _, name := range files()[1:] {
		text += fmt.Sprintf(cnfText, name, dbHost, dbPort)
	}
	return text
}

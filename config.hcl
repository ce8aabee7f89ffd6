# vault-renderer's own configuration, complete and commented. `make demo` runs
# with this file; to run with it by hand:
#
#   vault-renderer agent -config=config.hcl
#
# Relative paths start at the working directory. "run" should be on a tmpfs
# (systemd's RuntimeDirectory=, a tmpfs volume, a directory below /dev/shm).

# Safe defaults for everything: unknown keys, missing template keys, empty
# renders and "<no value>" are refused, destinations must be on tmpfs, files are
# 0600 and new directories 0700 unless said otherwise. Without it the defaults
# are those of Vault Agent.
strict = true

pid_file   = "run/vault-renderer.pid"

# A restart, also after a crash, goes on from here: no login, no new credentials,
# no file written when nothing has changed. It holds the token: on tmpfs only.
state_file = "run/vault-renderer.state"

# on_exit = "revoke" # ends leases and token and removes the files; "keep" if not set

log_level  = "info"     # trace, debug, info, warn, error
log_format = "standard" # or "json"

vault {
  address = "http://127.0.0.1:8200" # VAULT_ADDR wins over this

  retry {
    num_retries = 12 # of a one-shot run; a running agent never gives up
  }
}

auto_auth {
  method "approle" {
    mount_path  = "auth/approle"
    min_backoff = "1s" # between failed logins, doubling
    max_backoff = "1m"

    config = {
      role_id_file_path   = "run/role_id"
      secret_id_file_path = "run/secret_id"

      # The SecretID is removed when Vault has answered; until then a restart
      # does not lose it.
      remove_secret_id_file_after_reading = true

      # Or let it renew itself: the next one is made, response-wrapped, before
      # the present one ends, and its wrapping token put into that file.
      # secret_id_renew      = true
      # secret_id_renew_path = "auth/approle/role/ROLE/secret-id"
    }
  }

  # The token for others on this host. Leave it out when nobody needs it.
  sink "file" {
    config = {
      path = "run/vault-token"
      mode = 0600
    }
  }
}

template_config {
  static_secret_render_interval = "5m" # how often secrets without a lease are read again
  max_connections_per_host      = 10
}

lease {
  # replace_before  = "30s"  # the overlap; if not set, the larger of 30s and 10%
  # lookup_interval = "1m"   # does it still live? a tenth of it, 10s to 5m
  # own_token       = true   # even what a crash leaves unanswered is revoked

  revoke = "acked" # credentials that the application has let go of; needs update on sys/leases/revoke
  grace  = "1s"    # the webapp acknowledges when its old connections are closed
}

# status {
#   address = "unix:///run/vault-renderer/status.sock" # vault-renderer status; POST /-/refresh
#   group   = "webapp"
#   mode    = "0660"
# }

rollout "webapp" {
  # A command that looks at the new files before they are put in place:
  #
  # check {
  #   command = ["webapp", "-check", "-config", "{}"]
  # }

  # The webapp watches the directory of its file and needs to be told nothing.
  # An application that does not can be told by a signal, a command or a request:
  #
  # reload {
  #   command = ["systemctl", "reload", "webapp"]
  # }

  # It says which file it uses (webapp -ack=run/webapp.ack). Without that in time,
  # the file and the credentials of before come back.
  ack {
    file        = "run/webapp.ack" # or url = "http://127.0.0.1:5000/-/generation"
    destination = "run/config.ini"
    timeout     = "30s"
  }
}

template "config.ini" {
  source      = "templates/config.ini.tmpl"
  destination = "run/config.ini"
  perms       = 0600
  rollout     = "webapp"
}

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

template "config.ini" {
  source      = "templates/config.ini.tmpl"
  destination = "run/config.ini"
  perms       = 0600

  # The webapp watches the directory of its file and needs to be told nothing.
  # An application that does not can be told in one of these ways:
  #
  # exec {
  #   command = ["systemctl", "reload", "webapp"]
  #   timeout = "30s"
  # }
  #
  # reload {
  #   pid_file = "/run/webapp/webapp.pid"
  #   signal   = "SIGHUP"
  # }
}

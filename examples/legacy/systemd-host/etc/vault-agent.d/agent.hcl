# Managed by the platform team. Restart vault-agent.service after a change.
pid_file = "/run/vault-agent/agent.pid"

vault {
  address = "https://vault.example.com:8200"
  ca_cert = "/etc/vault-agent.d/ca.pem"

  retry {
    num_retries = 5
  }
}

auto_auth {
  method "approle" {
    mount_path = "auth/approle"

    config = {
      role_id_file_path                   = "/etc/vault-agent.d/role_id"
      secret_id_file_path                 = "/var/lib/vault-agent/secret_id"
      remove_secret_id_file_after_reading = true
    }
  }

  # For the cron jobs that ask Vault themselves.
  sink "file" {
    config = {
      path = "/run/vault-agent/token"
      mode = 0640
    }
  }
}

template_config {
  static_secret_render_interval = "2m"
  exit_on_retry_failure         = true
}

# The older way to write a hook: one string, which a shell runs.
template {
  source      = "/etc/vault-agent.d/templates/my.cnf.ctmpl"
  destination = "/run/notes/my.cnf"
  perms       = "0640"
  group       = "notes"
  command     = "systemctl reload notes.service || true"
}

template {
  source               = "/etc/vault-agent.d/templates/api.env.ctmpl"
  destination          = "/run/notes/api.env"
  create_dest_dirs     = false
  error_on_missing_key = true
  perms                = 0440
  user                 = "vault-agent"
  group                = "notes"

  exec {
    command = ["systemctl", "try-restart", "notes-worker.service"]
    timeout = "20s"
  }
}

# Every key of this version that has a function.
pid_file        = "/run/renderer/pid"
exit_after_auth = true
log_level       = "WARNING"
log_format      = "JSON"
tmpfs           = "off"
disable_mlock   = true

vault {
  address         = "https://vault.example.com:8200"
  ca_cert         = "/etc/ssl/ca.pem"
  ca_path         = "/etc/ssl/ca"
  client_cert     = "/etc/ssl/client.pem"
  client_key      = "/etc/ssl/client.key"
  tls_skip_verify = "1"
  tls_server_name = "vault"
  namespace       = "team"
  retry {
    num_retries = -1
  }
}

auto_auth {
  enable_reauth_on_new_credentials = false

  method "AppRole" {
    mount_path  = "auth/approle-app/"
    namespace   = "team/app"
    min_backoff = "2"
    max_backoff = "1d"
    exit_on_err = true
    wrap_ttl    = 0
    config {
      role_id_file_path                   = "/ids/role"
      secret_id_file_path                 = "/ids/secret"
      remove_secret_id_file_after_reading = 0
    }
    config {
      secret_id_response_wrapping_path = "auth/approle-app/role/app/secret-id"
    }
  }

  sink "FILE" {
    config = {
      path  = "/run/token"
      mode  = 0400
      owner = 1000
      group = 1001
    }
  }
  sink {
    type   = "file"
    config = { path = "/run/token2" }
  }
  sinks {
    sink "file" {
      config { path = "/run/token3" }
    }
  }
}

cache {}

template_config {
  exit_on_retry_failure         = true
  static_secret_render_interval = "10m"
  max_connections_per_host      = "20"
  lease_renewal_threshold       = 0.5
  max_output                    = 1000
  max_duration                  = 2
  max_depth                     = 50
}

template "db" {
  source               = "testdata/good/config.tmpl"
  destination          = "/run/secrets/db.ini"
  create_dest_dirs     = false
  error_on_missing_key = true
  error_fatal          = false
  perms                = 0600
  user                 = "app"
  group                = "1000"
  uid                  = 5
  left_delimiter       = "[["
  right_delimiter      = "]]"
  tmpfs                = "require"
  allow_empty          = true
  backup               = false
  exec {
    command = ["nginx", "-s", "reload"]
    timeout = "5s"
  }
  reload {
    pid_file = "/run/app.pid"
    signal   = "usr1"
  }
}

template {
  contents        = <<-EOT
    {{ with secret "kv/data/app" }}
    export URL="mysql://${USER}@host/$${DB}?x=%{y}"
    {{ end }}
    EOT
  destination     = "/run/secrets/env"
  perms           = "0640"
  uid             = 33
  gid             = 34
  command         = "systemctl reload app"
  command_timeout = "1m"
}

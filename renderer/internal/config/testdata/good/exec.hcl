# A child process with every key that it can have.
auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}

env_template "DB_PASSWORD" {
  contents             = "{{ with secret \"kv/data/app\" }}{{ .Data.data.password }}{{ end }}"
  error_on_missing_key = true
  error_fatal          = false
}

env_template "API_KEY" {
  source               = "testdata/good/config.tmpl"
  left_delimiter       = "[["
  right_delimiter      = "]]"
  function_denylist    = ["env"]
  function_blacklist   = ["file"]
  error_on_missing_key = false
}

template {
  contents    = "x"
  destination = "/run/app/app.ini"
  rollout     = "app"
}

template {
  contents    = "x"
  destination = "/run/app/tls.pem"
  rollout     = "tls"
}

rollout "app" {
  reload { child = true }
}

rollout "tls" {
  reload {
    child   = true
    signal  = "usr2"
    retries = 0
  }
}

exec {
  command                   = ["/usr/bin/app", "--verbose"]
  restart_on_secret_changes = "rolling"
  kill_signal               = "int"
  kill_timeout              = "10s"
  reload_signal             = "SIGUSR1"
  splay                     = 5
  start_timeout             = "2m"
  max_restarts              = 0
  vault_token               = true
  working_dir               = "/srv/app"
  user                      = "app"
  group                     = 1000
  stdin                     = false
  child_process_stdout      = "/var/log/app.out"
  child_process_stderr      = "/var/log/app.err"

  env {
    custom    = ["MODE=production", "EMPTY="]
    allowlist = ["PATH", "LC_*"]
    denylist  = ["LC_ALL"]
  }

  ready {
    file     = "/run/app/ready.{pid}"
    timeout  = "30s"
    interval = "500ms"
  }

  socket "http" { address = "0.0.0.0:8080" }
  socket "admin" {
    network = "unix"
    address = "/run/app/admin.sock"
    mode    = 0660
  }
}

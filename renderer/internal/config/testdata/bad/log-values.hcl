auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}
log_file                 = "/var/log/*.log"
log_rotate_duration      = "30 parsecs"
log_rotate_bytes         = "ten"
log_rotate_max_files     = 1.5
disable_idle_connections = "auto-auth"
disable_keep_alives      = ["auto-auth", "template"]
cluster_name             = true

template_config {
  exit_on_retry_failure         = "true"
  static_secret_render_interval = "5 parsecs"
  max_connections_per_host      = "many"
  lease_renewal_threshold       = 1.5
}
auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

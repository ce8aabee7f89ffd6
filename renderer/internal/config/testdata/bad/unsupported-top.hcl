cache { use_auto_auth_token = true }
api_proxy { use_auto_auth_token = true }
listener "tcp" {
  address = "127.0.0.1:8100"
}
telemetry { statsd_address = "s" }
env_template "A" {
  contents = "x"
}
exec { command = ["x"] }
templates { source = "x" }
log_file = "/var/log/x"
disable_keep_alives = ["templating"]
seal "awskms" {}
auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
env_template "A" {
  contents             = "x"
  error_on_missing_key = true
}
exec {
  command = ["app"]
  socket "a" { address = "127.0.0.1:8200" }
  socket "b" {
    network = "unix"
    address = "/run/status.sock"
  }
}
listener "tcp" {
  address     = "127.0.0.1:8200"
  role        = "metrics_only"
  tls_disable = true
}
status { address = "unix:///run/status.sock" }

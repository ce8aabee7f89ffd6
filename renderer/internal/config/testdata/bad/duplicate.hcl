pid_file = "/a"
log_level = "info"
pid_file = "/b"
auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

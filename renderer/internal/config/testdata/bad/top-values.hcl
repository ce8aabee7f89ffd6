pid_file = true
exit_after_auth = "true"
log_level = "loud"
log_format = "xml"
tmpfs = "maybe"
strict = 1
auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

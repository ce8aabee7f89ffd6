auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
  create_dest_dirs     = "true"
  error_on_missing_key = 1
  error_fatal          = "no"
  user                 = 1000
  group                = 33
  uid                  = "5"
  gid                  = -4
  left_delimiter       = 5
  allow_empty          = "x"
  tmpfs                = "sometimes"
  command              = ["a", 1]
  command_timeout      = "soon"
}

auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
env_template "A" {
  contents             = "x"
  error_on_missing_key = true
}
env_template "B" {
  contents         = "x"
  backup           = true
  command          = "x"
  command_timeout  = "1s"
  create_dest_dirs = true
  destination      = "/x"
  exec { command = ["x"] }
  perms            = "0600"
  user             = "x"
  uid              = 1
  group            = "x"
  gid              = 1
  wait             = "1s"
  sandbox_path     = "/x"
}
exec { command = ["app"] }

auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
  permissions = "0600"
  comand = "x"
  exec {
    cmd = "x"
    comand = "y"
  }
}

auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
  reload {
    pid_file = ""
    signal   = 1
    sigal = "x"
  }
}

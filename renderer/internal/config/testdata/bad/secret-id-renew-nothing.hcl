auto_auth {
  method "approle" {
    config {
      role_id_file_path = "/r"
      secret_id_renew   = true
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

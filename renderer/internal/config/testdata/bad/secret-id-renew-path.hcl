auto_auth {
  method "approle" {
    config {
      role_id_file_path = "/r"
      secret_id_file_path = "/s"
      secret_id_renew = true
      remove_secret_id_file_after_reading = true
      secret_id_renew_path = "auth/approle/role/app"
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

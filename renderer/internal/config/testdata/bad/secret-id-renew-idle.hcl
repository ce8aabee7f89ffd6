auto_auth {
  method "approle" {
    config {
      role_id_file_path = "/r"
      secret_id_file_path = "/s"
      secret_id_renew_path = "x"
      secret_id_renew_ttl = "1m"
      secret_id_renew_wrap_ttl = "x"
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

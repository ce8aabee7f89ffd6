auto_auth {
  method "approle" {
    config {
      role_id_file_path = "/r"
      secret_id_file_path = "/s"
      secret_id_renew = "true"
      secret_id_renew_path = 5
      secret_id_renew_wrap_ttl = "-1m"
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

auto_auth {
  method "approle" {
    wrap_ttl = "5m"
    config {
      role_id_file_path    = "/r"
      secret_id_file_path  = "/s"
      secret_id_renew      = true
      secret_id_renew_path = "auth/approle/role/app/secret-id"
    }
  }
  sink "file" {
    config { path = "/t" }
  }
}

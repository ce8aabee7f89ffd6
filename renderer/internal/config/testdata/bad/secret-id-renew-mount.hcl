auto_auth {
  method "approle" {
    mount_path = "auth/apps"
    config {
      role_id_file_path = "/r"
      secret_id_file_path = "/s"
      secret_id_renew = true
      secret_id_renew_path = "auth/approle/role/app/secret-id"
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

auto_auth {
  method "approle" {
    config {
      role_id_file_path   = "/run/role"
      secret_id_file_path = "/run/secret"
    }
  }
  sink "file" {
    config { path = "/run/t" }
  }
}
pid_file   = "/run/p"
state_file = "/run/t"

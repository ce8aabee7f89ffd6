auto_auth {
  method "approle" "app" {
    config = { role_id_file_path = "/r" }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

auto_auth {
  method "approle" {
    wrap_ttl = "5m"
    config   = { role_id_file_path = "/r" }
  }
  sink "file" {
    config = { path = "/a" }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

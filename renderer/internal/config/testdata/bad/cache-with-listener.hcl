auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}
cache {
  use_auto_auth_token = "maybe"
}
listener "tcp" {
  tls_disable = true
}

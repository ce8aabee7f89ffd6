strict = true
vault {
  address         = "http://10.1.2.3:8200"
  tls_skip_verify = true
}
auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

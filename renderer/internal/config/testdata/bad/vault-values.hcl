vault {
  address         = "vault.example.com:8200"
  ca_cert         = true
  client_cert     = "/c"
  tls_skip_verify = "perhaps"
  tls_server_name = ["a"]
  retry {
    num_retries = -2
  }
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

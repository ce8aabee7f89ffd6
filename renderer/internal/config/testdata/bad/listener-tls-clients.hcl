auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}
listener "tcp" {
  role                               = "metrics_only"
  tls_cert_file                      = "testdata/good/config.tmpl"
  tls_key_file                       = "testdata/good/config.tmpl"
  tls_client_ca_file                 = "/none.pem"
  tls_require_and_verify_client_cert = true
  tls_disable_client_certs           = true
}

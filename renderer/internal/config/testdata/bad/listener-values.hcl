auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}
listener {
  role        = "metrics_only"
  tls_disable = true
}
listener "udp" {
  role        = "metrics_only"
  tls_disable = "maybe"
}
listener "tcp" {
  address = "127.0.0.1"
  role    = "metrics_only"
}
listener "tcp" {
  address           = "127.0.0.1:8201"
  role              = "metrics_only"
  tls_cert_file     = "/none.pem"
  tls_key_file      = "testdata"
  tls_min_version   = "tls13"
  tls_max_version   = "tls12"
  tls_cipher_suites = "FOO,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
}
listener "tcp" {
  address           = "127.0.0.1:8202"
  role              = "metrics-only"
  tls_disable       = true
  tls_min_version   = "ssl3"
  tls_cipher_suites = ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]
  agent_api { enable_quit = "true" }
}
listener "tcp" {
  address     = "{{ GetNothing }}:8203"
  role        = "metrics_only"
  tls_disable = true
  foo         = 1
}

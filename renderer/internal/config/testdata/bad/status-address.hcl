auto_auth {
  method "cert" {}
}
status {
  address = "127.0.0.1:8290"
  mode    = 0660
  user    = "root"
}
listener "tcp" {
  address     = "127.0.0.1:8290"
  role        = "metrics_only"
  tls_disable = true
}
template {
  contents    = "x"
  destination = "/run/x"
}

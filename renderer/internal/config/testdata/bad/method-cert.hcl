auto_auth {
  method "cert" {
    config {
      name = 5
      reload = "true"
      client_cert = "/c"
      ca_cert = true
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

auto_auth {
  method "cert" {
    config {
      client_key = "/k"
      reload_period = "5m"
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

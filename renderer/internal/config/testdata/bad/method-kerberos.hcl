auto_auth {
  method "kerberos" {
    config {
      username = "app"
      service = "HTTP/vault"
      realm = ""
      keytab = "/x"
      disable_fast_negotiation = "x"
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

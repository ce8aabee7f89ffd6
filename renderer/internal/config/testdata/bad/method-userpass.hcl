auto_auth {
  method "userpass" {
    config {
      username = "app"
      password = "canary-password"
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

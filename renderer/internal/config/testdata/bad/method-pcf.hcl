auto_auth {
  method "pcf" {
    config {
      role = "app"
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

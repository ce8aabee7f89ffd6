auto_auth {
  method "cf" {
    config {
      role = ""
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

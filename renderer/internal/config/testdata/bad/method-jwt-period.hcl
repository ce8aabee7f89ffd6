auto_auth {
  method "jwt" {
    config {
      path = "/jwt"
      role = "app"
      jwt_read_period = 0
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

auto_auth {
  method "jwt" {
    config {
      path = ""
      remove_jwt_after_reading = "maybe"
      jwt_read_period = "5 parsecs"
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

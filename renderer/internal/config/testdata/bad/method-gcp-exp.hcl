auto_auth {
  method "gcp" {
    config {
      type = "iam"
      role = "app"
      jwt_exp = -5
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

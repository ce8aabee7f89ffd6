auto_auth {
  method "gcp" {
    config {
      type = "gke"
      role = 5
      jwt_exp = "10m"
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

auto_auth {
  method "kubernetes" {
    config {
      role       = ""
      token_path = 7
      jwt_path   = "/x"
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

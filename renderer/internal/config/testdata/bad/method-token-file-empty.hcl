auto_auth {
  method "token_file" {
    config {
      token_path = "/x"
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

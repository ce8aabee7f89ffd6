auto_auth {
  method "token_file" {
    config {
      token_file_path = 5
      path = "/x"
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

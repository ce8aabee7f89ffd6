auto_auth {
  method "aws" {
    config {
      type = "iam"
      role = "app"
      credential_poll_interval = 0
      nonce = "n"
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

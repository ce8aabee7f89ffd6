auto_auth {
  method "aws" {
    config {
      type = "IAM"
      region = 5
      credential_poll_interval = "60"
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

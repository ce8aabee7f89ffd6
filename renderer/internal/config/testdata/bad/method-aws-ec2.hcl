auto_auth {
  method "aws" {
    config {
      type = "ec2"
      role = "app"
      credential_poll_interval = 30
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

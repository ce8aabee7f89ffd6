auto_auth {
  method "aws" {
    config {
      type = "ima"  secret_key = "canary-secret"
      role = "app"
      session_token = <<EOT
      canary-token
      EOT
      access_key = 5
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

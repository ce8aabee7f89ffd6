vault {
  address         = "http://vault.example.com:8200"
  tls_skip_verify = true
}
auto_auth {
  method "aws" {
    config {
      type       = "iam"
      role       = "app"
      access_key = "AKIA"
      secret_key = "canary-secret"
    }
  }
  sink "file" {
    config = { path = "/t", mode = 0644 }
  }
}
template {
  contents    = "x"
  destination = "/run/1"
}
template {
  contents             = "x"
  destination          = "/run/2"
  error_on_missing_key = true
}
template {
  contents    = "x"
  destination = "/run/3"
  perms       = "0640"
}
listener "tcp" {
  address     = "0.0.0.0:8201"
  role        = "metrics_only"
  tls_disable = true
  agent_api { enable_quit = true }
}

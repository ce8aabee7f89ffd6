auto_auth {
  method "oci" {
    config {
      type = "api-key"
      role = "app"
      credential_poll_interval = "x"
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

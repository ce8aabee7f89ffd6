auto_auth {
  method "alicloud" {
    config {
      role = "app"
      role_session_expiration = "900"
      session_expiration = -1
      credential_poll_interval = 0
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

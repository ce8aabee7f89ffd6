auto_auth {
  method "jwt" {
    mount_path = "auth/jwt"
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

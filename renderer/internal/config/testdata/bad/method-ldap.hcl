auto_auth {
  method "ldap" {
    config {
      username = 5
      password_file = "/x"
      password_read_period = "-1s"
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

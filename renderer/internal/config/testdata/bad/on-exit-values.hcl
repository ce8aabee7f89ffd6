auto_auth {
  method "cert" {}
}
on_exit         = "revok"
on_exit_timeout = 0
template {
  contents    = "x"
  destination = "/run/x"
}

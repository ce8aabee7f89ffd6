auto_auth {
  method "cert" {}
}
on_exit_timeout = "5s"
template {
  contents    = "x"
  destination = "/run/x"
}

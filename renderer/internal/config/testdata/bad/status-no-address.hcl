auto_auth {
  method "cert" {}
}
status {}
template {
  contents    = "x"
  destination = "/run/x"
}

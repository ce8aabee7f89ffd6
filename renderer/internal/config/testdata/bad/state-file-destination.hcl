auto_auth {
  method "cert" {}
}
state_file = "/run/./x"
template {
  contents    = "x"
  destination = "/run/x"
}

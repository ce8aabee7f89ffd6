auto_auth {
  method "cert" {}
}
status {
  address = "unix://run/s.sock"
  mode    = "0660"
  users   = "x"
}
template {
  contents    = "x"
  destination = "/run/x"
}

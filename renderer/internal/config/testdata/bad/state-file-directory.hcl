auto_auth {
  method "cert" {}
}
state_file = "testdata"
template {
  contents    = "x"
  destination = "/run/x"
}

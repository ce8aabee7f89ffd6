auto_auth {
  method "cert" {}
}
status {
  address = ":8290"
}
template {
  contents    = "x"
  destination = "/run/x"
  perms       = "0600"
  error_on_missing_key = true
}

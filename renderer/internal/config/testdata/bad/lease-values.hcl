auto_auth {
  method "cert" {}
}
lease {
  replace_before  = "-5m"
  lookup_interval = "sometimes"
  own_token       = "true"
  revoke          = "now"
  grace           = -1
  overlap         = "5m"
}
lease {}
template {
  contents    = "x"
  destination = "/run/x"
}

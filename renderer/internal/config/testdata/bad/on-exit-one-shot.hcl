auto_auth {
  method "cert" {}
}
exit_after_auth = true
on_exit         = "revoke"
template {
  contents    = "x"
  destination = "/run/x"
}

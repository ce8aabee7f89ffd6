auto_auth {
  method "cert" {}
}
template {
  contents    = "x"
  destination = "/run/x"
  rollout     = "app"
}

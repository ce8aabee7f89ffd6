auto_auth {
  method "cert" {}
}
rollout "app" {
  ack {
    file = "/run/../run/x"
  }
}
template {
  contents    = "x"
  destination = "/run/x"
  rollout     = "app"
}

auto_auth {
  method "cert" {}
}
rollout = "app"
lease = 5
status = []
rollout "app" {
  check = "true"
  ack {
    file = "/f"
  }
  ack {
    file = "/g"
  }
}
template {
  contents    = "x"
  destination = "/run/x"
  rollout     = "app"
}

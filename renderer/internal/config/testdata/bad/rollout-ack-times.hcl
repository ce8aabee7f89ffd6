auto_auth {
  method "cert" {}
}
rollout "a" {
  ack {
    file     = "/f"
    interval = "2m"
  }
}
rollout "b" {
  ack {
    file    = "/f"
    timeout = "100ms"
  }
}
template {
  contents    = "x"
  destination = "/run/a"
  rollout     = "a"
}
template {
  contents    = "x"
  destination = "/run/b"
  rollout     = "b"
}

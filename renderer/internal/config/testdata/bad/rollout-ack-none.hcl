auto_auth {
  method "cert" {}
}
rollout "a" {
  ack {}
}
rollout "b" {
  ack {
    url     = "http://127.0.0.1/"
    file    = "/f"
    command = "true"
  }
}
rollout "c" {
  ack {
    command     = "true"
    destination = "/run/c"
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
template {
  contents    = "x"
  destination = "/run/c"
  rollout     = "c"
}

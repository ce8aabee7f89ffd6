auto_auth {
  method "cert" {}
}
rollout "a" {
  ack {
    url         = "http://127.0.0.1/"
    destination = "/run/app.inn"
  }
}
rollout "b" {
  ack {
    url         = "http://127.0.0.1/"
    destination = "/run/app.ini"
  }
}
template {
  contents    = "x"
  destination = "/run/app.ini"
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
  rollout     = "b"
}

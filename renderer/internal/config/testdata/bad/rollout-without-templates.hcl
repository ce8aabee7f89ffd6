auto_auth {
  method "cert" {}
}
rollout "app" {
  check {
    command = ["true", "{/run/none}"]
  }
  ack {
    url         = "http://127.0.0.1/ack"
    destination = "/run/none"
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}

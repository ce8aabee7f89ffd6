auto_auth {
  method "cert" {}
}
rollout "app" {
  jitter = "5s"
  check {
    cmd = "true"
  }
  reload {
    uri = "http://127.0.0.1/"
    pid_file = "/p"
  }
  ack {
    endpoint = "http://127.0.0.1/"
    file     = "/f"
    intervall = "1s"
  }
  notify {}
}
template {
  contents    = "x"
  destination = "/run/x"
  rollout     = "app"
}

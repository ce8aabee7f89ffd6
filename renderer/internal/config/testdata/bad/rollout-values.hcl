auto_auth {
  method "cert" {}
}
rollout "app" {
  splay  = "-5s"
  revoke = "ack"
  grace  = "soon"
  check {
    command = ["true"]
    timeout = 0
  }
  reload {
    pid_file = "/p"
    signal   = "SIGNONE"
    retries  = -1
  }
  ack {
    file     = "/f"
    timeout  = "-1m"
    interval = "0s"
  }
}
template {
  contents    = "x"
  destination = "/run/x"
  rollout     = "app"
}

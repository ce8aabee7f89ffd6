auto_auth {
  method "cert" {}
}
rollout "app" {
  reload {
    url = "http://user:canary-1@127.0.0.1/reload"
  }
  ack {
    url     = "ftp://user:canary-2@127.0.0.1/ack"
    command = ["curl", "https://canary-3@127.0.0.1/"]
  }
}
template {
  contents    = "x"
  destination = "/run/x"
  rollout     = "app"
}

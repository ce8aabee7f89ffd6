auto_auth {
  method "cert" {}
}
rollout "app" {
  grace = "5s"
  ack {
    file = "/run/state"
  }
}
state_file = "/run/other"
on_exit    = "revoke"

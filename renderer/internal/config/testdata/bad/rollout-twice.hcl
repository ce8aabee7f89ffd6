auto_auth {
  method "cert" {}
}
rollout "app" {}
rollout "app" {
  splay = "5s"
}
template {
  contents    = "x"
  destination = "/run/x"
  rollout     = "app"
}

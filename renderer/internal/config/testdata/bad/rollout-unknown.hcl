auto_auth {
  method "cert" {}
}
rollout "app" {}
rollout "proxy" {}
template {
  contents    = "x"
  destination = "/run/x"
  rollout     = "apps"
}
template {
  contents    = "x"
  destination = "/run/y"
  rollout     = "proxy"
}
template {
  contents    = "x"
  destination = "/run/z"
  rollout     = "something"
}
template {
  contents    = "x"
  destination = "/run/q"
  rollout     = "app"
}

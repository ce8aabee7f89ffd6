auto_auth {
  method "cert" {}
}
rollout {}
rollout "a" "b" {}
rollout "" {}
template {
  contents    = "x"
  destination = "/run/x"
}

auto_auth {
  method "cert" {}
}
rollout "app" {
  check {
    command = ["check", "{/run/z}", "{}", "{/run/./x}", "{\"a\": \"/b\"}", "{w/}"]
  }
}
template {
  contents    = "x"
  destination = "/run/x"
  rollout     = "app"
}
template {
  contents    = "x"
  destination = "/run/y"
  rollout     = "app"
}

auto_auth {
  method "cert" {}
}
lease {
  revoke = "never"
}
rollout "a" {
  revoke = "acked"
}
rollout "b" {
  grace = "5s"
}
rollout "c" {
  revoke = "always"
  grace  = "5s"
}
template {
  contents    = "x"
  destination = "/run/a"
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
  rollout     = "c"
}
